//! Whether a certificate leads to a root of Amazon's. SNS serves its certificate alone; the one above it comes beside it, or is fetched
//! from where it names it, and proves itself.

use aws_lc_rs::signature::UnparsedPublicKey;
use memchr::memmem;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

/// How many certificates are read of what a place serves.
const SERVED_MAX: usize = 4;
/// Where Amazon serves the certificates that sign: `http://crt.<name>.amazontrust.com/<name>.cer`. Without TLS, which would want
/// such a certificate itself.
const ISSUERS_AT: (&str, &str, &str) = ("http://crt.", ".amazontrust.com/", ".cer");

/// What certificates are trusted by.
#[derive(Debug)]
pub(super) struct Trust {
    roots: Vec<TrustAnchor<'static>>,
}

impl Trust {
    /// Amazon's roots, as every operating system has them. Source: amazontrust.com/repository.
    pub(super) fn amazon() -> Self {
        Self::of(include_bytes!("roots.pem"))
    }

    /// Roots in PEM.
    pub(super) fn of(roots: &[u8]) -> Self {
        let read = CertificateDer::pem_slice_iter(roots).filter_map(Result::ok);
        let anchor =
            |root: CertificateDer<'_>| Some(anchor_from_trusted_cert(&root).ok()?.to_owned());
        Self {
            roots: read.filter_map(anchor).collect(),
        }
    }
}

/// A certificate as it was served, and those that may lead from it to a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    certificate: CertificateDer<'static>,
    issuers: Vec<CertificateDer<'static>>,
}

impl Chain {
    /// Of the PEM that a place serves; none where no certificate is in it.
    pub(super) fn read(pem: &[u8]) -> Option<Self> {
        let mut served = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        Some(Self {
            certificate: served.next()?,
            issuers: served.take(SERVED_MAX - 1).collect(),
        })
    }

    /// Whether it leads to a root at this time, and is made for the side of a connection that is called.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self, trust: &Trust, now: UnixTime) -> Result<(), Error> {
        let known = default_provider().signature_verification_algorithms.all;
        let (roots, usage) = (&trust.roots, KeyUsage::server_auth());
        let certificate = EndEntityCert::try_from(&self.certificate)?;
        certificate
            .verify_for_usage(known, roots, &self.issuers, now, usage, None, None)
            .map(drop)
    }

    /// Whether it is of this time, whoever signed it.
    pub(super) fn is_of(&self, now: UnixTime) -> bool {
        let nobody = Trust::of(b"");
        // With no issuer to go by, the search for one ends so, after everything else about the certificate was found right.
        matches!(self.check(&nobody, now), Err(Error::UnknownIssuer))
    }

    /// Whether any of its names is right.
    pub(super) fn is_named(&self, right: impl Fn(&str) -> bool) -> bool {
        let certificate = EndEntityCert::try_from(&self.certificate);
        certificate.is_ok_and(|certificate| certificate.valid_dns_names().any(right))
    }

    /// Whether its key made a signature.
    pub(super) fn signed(
        &self,
        by: &'static dyn aws_lc_rs::signature::VerificationAlgorithm,
        text: &[u8],
        signature: &[u8],
    ) -> bool {
        let certificate = EndEntityCert::try_from(&self.certificate);
        certificate.is_ok_and(|certificate| {
            let key = UnparsedPublicKey::new(by, certificate.subject_public_key_info());
            key.verify(text, signature).is_ok()
        })
    }

    /// Where the certificate that signed this one is, where it says so and the place is Amazon's.
    pub(super) fn issuer_url(&self) -> Option<String> {
        let (begin, middle, end) = ISSUERS_AT;
        let plain = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            (1..=63).contains(&name.len()) && name.bytes().all(plain)
        };
        let found = |at: usize| {
            let rest = &self.certificate[at..];
            let end = memmem::find(rest, end.as_bytes())? + end.len();
            let url = std::str::from_utf8(&rest[..end]).ok()?;
            let (name, file) = url.strip_prefix(begin)?.split_once(middle)?;
            let same = file.strip_suffix(ISSUERS_AT.2) == Some(name);
            (same && plain(name)).then(|| url.to_owned())
        };
        memmem::find_iter(&self.certificate, begin.as_bytes()).find_map(found)
    }

    /// The same with the certificate above it, as its place serves it.
    pub(super) fn under(mut self, issuer: &[u8]) -> Self {
        let pem = CertificateDer::from_pem_slice(issuer).ok();
        let issuer = pem.unwrap_or_else(|| CertificateDer::from(issuer.to_vec()));
        self.issuers.push(issuer);
        self
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
