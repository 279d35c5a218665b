//! Whose signature a message of SNS has: certificates of SNS, fetched once each, and the GET that confirms a subscription. It must
//! never call a place that `domain::sns` has not found to be one of SNS.

use super::error::{CallError, Kind, chain};
use super::https::Https;
use crate::domain::sns::{self, Claim, Hash};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use url::Url;
use webpki::{EndEntityCert, KeyUsage};

/// The longest answer that is read, in bytes. A certificate has some 2,000.
const ANSWER_MAX: usize = 64 << 10;
/// How long a certificate or a confirmation is waited for, and how long for those that others fetch. SNS waits 15 seconds for
/// its answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How many certificates are kept. A topic signs with one for about a year.
const CERTIFICATES_MAX: usize = 8;
/// How long a failure is remembered, so that not every forged delivery makes us call out.
const FAILURE_LIFE: Duration = Duration::from_secs(10);
/// How many failures are remembered; certificates are fetched one at a time all the same.
const FAILURES_MAX: usize = 16;

/// A certificate; none where its place holds none.
type Fetched = Result<Option<CertificateDer<'static>>, CallError>;

/// The certificates that vouch for messages of SNS.
#[derive(Debug)]
pub struct Certificates {
    https: Https,
    own: Option<Url>,
    known: Mutex<Vec<Known>>,
    /// One at a time: deliveries that come together fetch their certificate once.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    url: String,
    since: Instant,
    fetched: Fetched,
}

impl Known {
    fn holds(&self) -> bool {
        matches!(self.fetched, Ok(Some(_)))
    }
}

impl Certificates {
    pub(super) fn new(https: Https, own: Option<Url>) -> Self {
        Self {
            https,
            own,
            known: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Whether a certificate of SNS vouches for this. A claim that names another place than one of SNS is wrong, and nothing is
    /// called for it.
    ///
    /// # Errors
    /// The certificate could not be fetched just now.
    pub async fn vouch(&self, claim: &Claim) -> Result<bool, CallError> {
        let Some(url) = sns::certificate_url(&claim.certificate_url, self.own.as_ref()) else {
            return Ok(false);
        };
        let own = sns::is_own(&url, self.own.as_ref());
        let certificate = self.certificate(url.as_str()).await?;
        Ok(certificate.is_some_and(|found| vouches(&found, claim, UnixTime::now(), own)))
    }

    /// Confirms a subscription.
    ///
    /// # Errors
    /// The URL is not one at which SNS confirms subscriptions, and then nothing is called; or SNS refused or did not answer.
    pub async fn confirm(&self, url: &str) -> Result<(), CallError> {
        let Some(url) = sns::subscribe_url(url, self.own.as_ref()) else {
            let cause = "the URL is not one at which SNS confirms subscriptions";
            return Err(CallError::new(Kind::Refused, "GET", "SubscribeURL", cause));
        };
        // Whoever has the token can confirm, so the query is not told.
        let place = format!("{}/", url.origin().ascii_serialization());
        match self.get(url.as_str(), &place).await? {
            (200, _) => Ok(()),
            (status, _) => {
                let kind = if status >= 500 {
                    Kind::Unknown
                } else {
                    Kind::Refused
                };
                let cause = format!("status {status}");
                Err(CallError::new(kind, "GET", place, cause))
            }
        }
    }

    async fn certificate(&self, url: &str) -> Fetched {
        if let Some(fetched) = self.known(url) {
            return fetched;
        }
        let busy = |cause: &str| Err(CallError::new(Kind::Busy, "GET", url, cause));
        let Ok(_one) = timeout(FETCH_TIMEOUT, self.fetching.lock()).await else {
            return busy("other certificates are being fetched");
        };
        if let Some(fetched) = self.known(url) {
            return fetched;
        }
        let fetched = self.fetch(url).await;
        self.keep(url, fetched.clone());
        fetched
    }

    /// What is known of a place, as long as that counts.
    fn known(&self, url: &str) -> Option<Fetched> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|one| one.holds() || one.since.elapsed() < FAILURE_LIFE);
        let found = known.iter().find(|one| one.url == url);
        found.map(|one| one.fetched.clone())
    }

    fn keep(&self, url: &str, fetched: Fetched) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(Known {
            url: url.to_owned(),
            since: Instant::now(),
            fetched,
        });
        // Of each sort the oldest goes: forged deliveries can crowd out neither the real certificates nor their fetching.
        for (holds, max) in [(true, CERTIFICATES_MAX), (false, FAILURES_MAX)] {
            if known.iter().filter(|one| one.holds() == holds).count() > max
                && let Some(oldest) = known.iter().position(|one| one.holds() == holds)
            {
                known.remove(oldest);
            }
        }
    }

    async fn fetch(&self, url: &str) -> Fetched {
        match self.get(url, url).await? {
            // A redirect is followed nowhere.
            (200, body) => Ok(CertificateDer::from_pem_slice(&body).ok()),
            (status @ (429 | 500..), _) => {
                let cause = format!("status {status}");
                Err(CallError::new(Kind::Unknown, "GET", url, cause))
            }
            _ => Ok(None),
        }
    }

    /// Status and body of what is there, the body no longer than it may be.
    async fn get(&self, url: &str, place: &str) -> Result<(u16, Bytes), CallError> {
        let error = |kind, cause: String| CallError::new(kind, "GET", place, cause);
        let asked = async {
            let mut request = HttpRequest::new(SdkBody::empty());
            request
                .set_uri(url)
                .map_err(|e| error(Kind::Refused, e.to_string()))?;
            let answer = self.https.call(request).await;
            let answer = answer.map_err(|e| error(Kind::Unknown, chain(&e)))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            let body = body.map_err(|e| error(Kind::BadAnswer, e.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        let late = |_| error(Kind::Unknown, format!("no answer within {FETCH_TIMEOUT:?}"));
        timeout(FETCH_TIMEOUT, asked).await.map_err(late)?
    }
}

/// Whether a certificate vouches for a claim at this time: made for SNS, in its time, and its RSA key of 2048 to 8192 bits made the
/// signature.
///
/// What makes a certificate one of SNS is that it was got from a place of SNS, over TLS whose chain the system's roots vouch for.
/// AWS's validators for JavaScript, PHP and Ruby ask no more; the one for Java also asks for the name and the time, and so does this.
/// Its issuing chain is not checked a second time: SNS serves the certificate alone, the issuer above it changes without notice, and it
/// could only be had over plain HTTP.
/// At an endpoint of the operator's own the name may be any.
fn vouches(certificate: &CertificateDer<'_>, claim: &Claim, now: UnixTime, own: bool) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return false;
    };
    // With no issuer to go by, the search for one ends so, after everything else about the certificate was found right.
    let of_now =
        certificate.verify_for_usage(&[], &[], &[], now, KeyUsage::server_auth(), None, None);
    let of_now = matches!(of_now, Err(webpki::Error::UnknownIssuer));
    let named = own || certificate.valid_dns_names().any(sns::is_name_of_sns);
    let algorithm = match claim.hash {
        Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
    };
    let key = UnparsedPublicKey::new(algorithm, certificate.subject_public_key_info());
    of_now && named && key.verify(&claim.signed, &claim.signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sns::Envelope;
    use crate::twin::sns::Signer;
    use serde_json::Value;
    use std::time::SystemTime;

    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:objects";
    /// 2026-03-06T20:00:00Z, when the published messages were sent, in Unix seconds.
    const PUBLISHED: u64 = 1_772_827_200;

    fn published() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/sns.json")).unwrap()
    }

    fn claim(message: &Value) -> Claim {
        let envelope = Envelope::read(message.to_string().as_bytes()).unwrap();
        envelope.claim().unwrap()
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    /// Another text of the same length.
    fn changed(text: &str) -> String {
        let (first, rest) = text.split_at(1);
        format!("{}{rest}", if first == "x" { "y" } else { "x" })
    }

    #[test]
    fn the_messages_that_aws_published_are_vouched_for_in_both_versions() {
        let published = published();
        let pem = published["certificate"]["pem"].as_str().unwrap();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut versions = Vec::new();
        for (name, message) in published["messages"].as_object().unwrap() {
            let whole = claim(message);
            versions.push(whole.hash);
            assert!(
                vouches(&certificate, &whole, at(PUBLISHED), false),
                "{name}"
            );
            for field in [
                "Message",
                "MessageId",
                "Subject",
                "Token",
                "SubscribeURL",
                "Timestamp",
                "TopicArn",
            ] {
                let Some(value) = message[field].as_str() else {
                    continue;
                };
                let mut forged = message.clone();
                forged[field] = changed(value).into();
                let forged = claim(&forged);
                assert!(
                    !vouches(&certificate, &forged, at(PUBLISHED), false),
                    "{name}: {field}"
                );
            }
            let mut bit = whole.clone();
            bit.signature[7] ^= 1;
            assert!(!vouches(&certificate, &bit, at(PUBLISHED), false), "{name}");
            let other = if whole.hash == Hash::Sha1 {
                Hash::Sha256
            } else {
                Hash::Sha1
            };
            let other = Claim {
                hash: other,
                ..whole
            };
            assert!(
                !vouches(&certificate, &other, at(PUBLISHED), false),
                "{name}"
            );
        }
        assert!(versions.contains(&Hash::Sha1) && versions.contains(&Hash::Sha256));
    }

    #[test]
    fn a_certificate_vouches_in_its_own_time_alone() {
        let published = published();
        let pem = published["certificate"]["pem"].as_str().unwrap();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let whole = claim(&published["messages"]["notification_version_2"]);
        // From 2025-11-10T00:00:00Z to 2026-10-14T23:59:59Z.
        for (now, right) in [
            (1_762_732_799, false),
            (1_762_732_800, true),
            (1_792_022_399, true),
            (1_792_022_400, false),
        ] {
            assert_eq!(
                vouches(&certificate, &whole, at(now), false),
                right,
                "{now}"
            );
        }
    }

    #[test]
    fn a_certificate_for_another_name_vouches_only_at_an_endpoint_of_our_own() {
        let other =
            Signer::with_certificate(TOPIC, "http://x", "example.com", (2020, 2120)).unwrap();
        let certificate = CertificateDer::from_pem_slice(other.pem().as_bytes()).unwrap();
        let whole = claim(&other.notification(None, "m", SystemTime::now()));
        assert!(!vouches(&certificate, &whole, UnixTime::now(), false));
        assert!(vouches(&certificate, &whole, UnixTime::now(), true));
        let sns = Signer::new(TOPIC, "http://x").unwrap();
        let theirs = CertificateDer::from_pem_slice(sns.pem().as_bytes()).unwrap();
        assert!(
            !vouches(&theirs, &whole, UnixTime::now(), true),
            "another key"
        );
        let whole = claim(&sns.notification(None, "m", SystemTime::now()));
        assert!(vouches(&theirs, &whole, UnixTime::now(), false));
    }

    #[tokio::test]
    async fn no_more_certificates_are_kept_than_may_be() {
        let certificates = Certificates::new(Https::new(), None);
        for number in 0..2 * CERTIFICATES_MAX {
            let one = CertificateDer::from(vec![0]);
            certificates.keep(&number.to_string(), Ok(Some(one)));
        }
        let kept = |number: &usize| certificates.known(&number.to_string()).is_some();
        let kept: Vec<_> = (0..2 * CERTIFICATES_MAX).filter(kept).collect();
        let last: Vec<_> = (CERTIFICATES_MAX..2 * CERTIFICATES_MAX).collect();
        assert_eq!(kept, last);
    }
}
