//! AWS SNS as a sender: what its certificate must vouch for.

/// What a certificate must vouch for before a delivery can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where the certificate is.
    pub certificate_url: String,
}
