//! AWS SNS as a sender: its certificates, and the confirmation of a subscription.

use super::Aws;
use super::error::{CallError, Kind};
use crate::domain::sns::Claim;

/// The certificates that SNS signs with.
#[derive(Debug)]
pub struct Certificates;

impl Aws {
    /// Those that were not fetched yet.
    #[must_use]
    pub fn certificates(&self) -> Certificates {
        Certificates
    }
}

impl Certificates {
    /// Whether the certificate of this claim vouches for it.
    ///
    /// # Errors
    /// It could not be fetched.
    pub async fn vouch(&self, _claim: &Claim) -> Result<bool, CallError> {
        Ok(false)
    }

    /// Confirms a subscription.
    ///
    /// # Errors
    /// SNS did not answer, or refused.
    pub async fn confirm(&self, url: &str) -> Result<(), CallError> {
        Err(CallError::new(Kind::Refused, "GET", url, "not made yet"))
    }
}
