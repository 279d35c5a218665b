//! Whose signature a message of SNS has: certificates of SNS, fetched once each, and the GET that confirms a subscription. It must
//! never call a place that `domain::sns` has not found to be the one of the topic, but for Amazon's own certificates above.

mod chain;

use super::error::{CallError, Kind, chain};
use super::https::Https;
use crate::domain::sns::{Claim, Hash, Subscription, is_own};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use chain::{Chain, Trust};
use http_body_util::{BodyExt as _, Limited};
use rustls::pki_types::UnixTime;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use url::Url;

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
type Fetched = Result<Option<Chain>, CallError>;

/// The certificates that vouch for messages of SNS.
#[derive(Debug)]
pub struct Certificates {
    https: Https,
    own: Option<Url>,
    trust: OnceLock<Trust>,
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
            trust: OnceLock::new(),
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
        let named = &claim.certificate_url;
        let Some(url) = claim.place.certificate_url(named, self.own.as_ref()) else {
            return Ok(false);
        };
        // The place of the topic is never merely the operator's own, even where the settings name it.
        let own = is_own(&url, self.own.as_ref());
        let own = own && claim.place.certificate_url(named, None).is_none();
        let trust = (!own).then(|| self.trust());
        let chain = self.certificate(url.as_str(), trust).await?;
        Ok(chain.is_some_and(|found| vouches(&found, claim, UnixTime::now(), trust)))
    }

    /// Amazon's roots. They are read for the first message that must be vouched for.
    fn trust(&self) -> &Trust {
        self.trust.get_or_init(Trust::amazon)
    }

    /// Confirms a subscription.
    ///
    /// # Errors
    /// SNS refused or did not answer.
    pub async fn confirm(&self, subscription: &Subscription) -> Result<(), CallError> {
        let url = subscription.url(self.own.as_ref());
        // Whoever has the token can confirm, so the query is not told.
        let place = url.split_once('?').map_or(&*url, |(place, _)| place);
        match self.get(&url, place).await? {
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

    async fn certificate(&self, url: &str, trust: Option<&Trust>) -> Fetched {
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
        let fetched = self.fetch(url, trust).await;
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

    /// What is there, where it leads to a root.
    async fn fetch(&self, url: &str, trust: Option<&Trust>) -> Fetched {
        let found = match self.get(url, url).await? {
            // A redirect is followed nowhere.
            (200, body) => Chain::read(&body),
            (status @ (429 | 500..), _) => {
                let cause = format!("status {status}");
                return Err(CallError::new(Kind::Unknown, "GET", url, cause));
            }
            _ => None,
        };
        let (Some(found), Some(trust)) = (found.clone(), trust) else {
            return Ok(found);
        };
        let mut chain = found;
        if let (Err(webpki::Error::UnknownIssuer), Some(at)) =
            (chain.check(trust, UnixTime::now()), chain.issuer_url())
        {
            let (status, issuer) = self.get(&at, &at).await?;
            if status == 200 {
                chain = chain.under(&issuer);
            }
        }
        match chain.check(trust, UnixTime::now()) {
            Ok(()) => Ok(Some(chain)),
            Err(cause) => {
                tracing::warn!(url, %cause, "a certificate of SNS does not lead to a root of Amazon's: what it signed is refused");
                Ok(None)
            }
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

/// Whether a certificate vouches for a claim at this time: made for SNS of the topic's region, in its time, led to a root that is
/// trusted, and its RSA key of 2048 to 8192 bits made the signature.
///
/// Beside that it was got from the topic's place, over TLS. AWS's validators for JavaScript, PHP and Ruby ask no more than the place, by
/// a pattern; the one for Java also asks for the name and the time.
/// At an endpoint of the operator's own nothing is `trust`ed by its issuer, and the name may be any.
fn vouches(chain: &Chain, claim: &Claim, now: UnixTime, trust: Option<&Trust>) -> bool {
    let right = match trust {
        Some(trust) => {
            let named = chain.is_named(|name| claim.place.signs_as(name));
            named && chain.check(trust, now).is_ok()
        }
        None => chain.is_of(now),
    };
    let algorithm: &'static RsaParameters = match claim.hash {
        Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
    };
    right && chain.signed(algorithm, &claim.signed, &claim.signature)
}

#[cfg(test)]
use crate::twin::sns::Signer;

#[cfg(test)]
mod tests;
