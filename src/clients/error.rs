//! What can go wrong on the way to a far side: kind, operation, place and cause.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;
use std::fmt;

/// What a failed call means to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 404 with the code `NoSuchKey`, after a look at the bucket that the key would be in.
    NoSuchKey,
    /// 404 without a code, as to a HEAD: the key or the bucket.
    NotFound,
    /// 404 with the code `NoSuchBucket`.
    NoSuchBucket,
    /// 404 with the code `NoSuchUpload`: it was completed or dropped.
    NoSuchUpload,
    /// 401 or 403: wrong keys, or no right to do this.
    Denied,
    /// 403 with a code of archives: the object is there, and its bytes cannot be read before somebody restores it.
    Archived,
    /// 412: the condition did not hold; nothing was changed.
    PreconditionFailed,
    /// 409: another request for the same key got in between; nothing was changed.
    Conflict,
    /// 416: no such range, as of an empty object.
    NoSuchRange,
    /// 503 or 429 with a code that says that nothing was done.
    Busy,
    /// The answer, or its body, is not what was asked for: too short, of another generation, without a field.
    BadAnswer,
    /// The bytes that the call was to carry on broke off on their side.
    BrokenOff,
    /// 400: the store wants the checksum of these bytes in a header, as under Object Lock. Nothing was done.
    ChecksumWanted,
    /// 400: the bytes that arrived are not those of the checksum that came with them. Nothing was done.
    Damaged,
    /// Any other refusal.
    Refused,
    /// No answer, or one that tells nothing: the call may have taken effect, or may yet.
    Unknown,
}

/// So many characters of a cause are kept.
const CAUSE_MAX: usize = 1000;
/// So many characters of a code are kept: the longest that S3 has is half of it.
const CODE_MAX: usize = 100;

/// A call that failed.
#[derive(Clone, Debug)]
pub struct CallError {
    /// What it means to the caller.
    pub kind: Kind,
    /// The operation, in the far side's words.
    pub operation: &'static str,
    /// Where: bucket and key, topic, or URL without secrets.
    pub place: String,
    /// Why, as told by the layer below.
    pub cause: String,
    /// The remote service's own code for it, or one of [`code`] where there was no answer.
    pub code: Option<String>,
}

/// Codes for calls that were not answered.
pub mod code {
    /// Nothing listens there.
    pub const REFUSED: &str = "ConnectionRefused";
    /// The host's name has no address.
    pub const NO_HOST: &str = "HostNotFound";
    /// The two ends do not agree on TLS, or the certificate is not trusted.
    pub const TLS: &str = "TlsFailed";
    /// No answer in time.
    pub const TIMEOUT: &str = "TimedOut";
    /// There are no credentials to sign with.
    pub const NO_CREDENTIALS: &str = "NoCredentials";
}

/// There are no credentials to sign with; the text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoCredentials(pub String);

impl CallError {
    /// An error of our own finding.
    pub(super) fn new(
        kind: Kind,
        operation: &'static str,
        place: impl Into<String>,
        cause: impl Into<String>,
    ) -> Self {
        let mut cause = cause.into();
        // A far side's own words, which may be many.
        if let Some((end, _)) = cause.char_indices().nth(CAUSE_MAX) {
            cause.truncate(end);
        }
        Self {
            kind,
            operation,
            place: place.into(),
            cause,
            code: None,
        }
    }

    /// The same with the remote service's code for it.
    pub(super) fn with_code(self, code: Option<&str>) -> Self {
        Self {
            code: code.map(|code| code.chars().take(CODE_MAX).collect()),
            ..self
        }
    }

    /// Whether nothing was told by this but that the service, or the way to it, is down or overloaded.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.kind, Kind::Unknown | Kind::Busy)
    }

    /// The secrets cannot be read: the log says why.
    pub(crate) fn unread_secrets() -> Self {
        Self::new(Kind::Unknown, "GetSecretValue", "the secrets", "not read")
    }

    /// An error of this kind and of no call.
    #[cfg(test)]
    pub(crate) fn of_kind(kind: Kind) -> Self {
        Self::new(kind, "Test", "nowhere", "a test")
    }

    /// The code of a refusal that may be about one of the properties that a write carries. Nothing was written then.
    #[must_use]
    pub fn refuses_properties(&self) -> Option<&str> {
        let code = self
            .code
            .as_deref()
            .filter(|_| self.kind == Kind::Refused)?;
        match self.operation {
            "PutObject" | "CreateMultipartUpload" | "CopyObject" => Some(code),
            // It carries nothing else.
            "PutObjectTagging"
                if ["InvalidTag", "InvalidArgument", "BadRequest"].contains(&code) =>
            {
                Some("InvalidTag")
            }
            _ => None,
        }
    }

    /// Whether a conditional write of one of our own files found that somebody else was there.
    #[must_use]
    pub fn moved(&self) -> bool {
        matches!(
            self.kind,
            Kind::PreconditionFailed | Kind::Conflict | Kind::NoSuchKey | Kind::NotFound
        )
    }

    /// A call that was not answered.
    pub(super) fn silent(
        operation: &'static str,
        place: &str,
        error: &(dyn Error + 'static),
    ) -> Self {
        let (code, cause) = unanswered(error);
        Self::new(Kind::Unknown, operation, place, cause).with_code(code)
    }

    /// What an SDK call came back with.
    pub(super) fn of<E>(operation: &'static str, place: &str, error: &SdkError<E, Response>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let code = error.code();
        let kind = match (error, status) {
            (SdkError::ServiceError(_), Some(400))
                if wants_checksum(code, error.message().unwrap_or_default()) =>
            {
                Kind::ChecksumWanted
            }
            (SdkError::ServiceError(_), Some(status)) => by_status(status, code),
            // An error whose body cannot be read has its status all the same.
            (SdkError::ResponseError(_), Some(status @ 300..)) => by_status(status, None),
            (SdkError::ConstructionFailure(_), _) => Kind::Refused,
            _ => Kind::Unknown,
        };
        let mut silent = None;
        let cause = match (status, code) {
            // A HEAD has no body to take a code from.
            (Some(status), None) => format!("status {status}: {}", chain(error)),
            (Some(status), Some(code)) => format!(
                "status {status}, {code}: {}",
                error.message().unwrap_or_default()
            ),
            (None, _) => {
                let (code, cause) = unanswered(error);
                silent = code;
                cause
            }
        };
        Self::new(kind, operation, place, cause).with_code(code.or(silent))
    }
}

/// Why a call was not answered: the cause alone where it is a known one, since the layers above it add only their own names.
pub(super) fn unanswered(error: &(dyn Error + 'static)) -> (Option<&'static str>, String) {
    let causes = std::iter::successors(Some(error), |cause| (*cause).source());
    for cause in causes {
        if let Some(none) = cause.downcast_ref::<NoCredentials>() {
            return (Some(code::NO_CREDENTIALS), none.to_string());
        }
        if let Some(found) = cause.downcast_ref::<rustls::Error>() {
            return (Some(code::TLS), format!("TLS: {found}"));
        }
        let Some(io) = cause.downcast_ref::<std::io::Error>() else {
            continue;
        };
        let within = io
            .get_ref()
            .and_then(|it| it.downcast_ref::<rustls::Error>());
        if let Some(found) = within {
            return (Some(code::TLS), format!("TLS: {found}"));
        }
        if io.kind() == std::io::ErrorKind::ConnectionRefused {
            return (Some(code::REFUSED), "connection refused".to_owned());
        }
        let text = io.to_string();
        if text.contains("failed to lookup address") {
            return (Some(code::NO_HOST), text);
        }
    }
    let text = chain(error);
    let timeout = text.contains("timed out") || text.contains("timeout");
    (timeout.then_some(code::TIMEOUT), text)
}

/// What an error says and why, without its Debug form: that one shows the answer's body, which may be a secret.
pub(super) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// So S3 refuses bytes for a bucket under Object Lock whose checksum is not in a header; older stores know Content-MD5 alone.
fn wants_checksum(code: Option<&str>, message: &str) -> bool {
    let codes = ["InvalidRequest", "MissingContentMD5", "InvalidArgument"];
    code.is_some_and(|code| codes.contains(&code))
        && message.contains("Content-MD5")
        && (message.contains("required") || message.contains("Missing"))
}

fn by_status(status: u16, code: Option<&str>) -> Kind {
    match (status, code) {
        // An error in the body of a 200, as CopyObject and CompleteMultipartUpload have it.
        (200..300, Some("PreconditionFailed")) => Kind::PreconditionFailed,
        (200..300, Some("ConditionalRequestConflict")) => Kind::Conflict,
        (200..300, Some("SlowDown")) => Kind::Busy,
        (200..300, Some(code)) if is_archived(code) => Kind::Archived,
        (200..300, _) => Kind::Unknown,
        // What S3 says when an upload stood still.
        (400, Some("RequestTimeout")) => Kind::Unknown,
        (_, Some(code)) if is_archived(code) => Kind::Archived,
        (403, Some(code)) if is_throttling(code) => Kind::Busy,
        (403, Some(code)) if is_no_question_of_rights(code) => Kind::Refused,
        // So SQS and Secrets Manager say it.
        (400, Some("AccessDenied" | "AccessDeniedException")) => Kind::Denied,
        (404, Some("NoSuchKey")) => Kind::NoSuchKey,
        (404, Some("NoSuchBucket")) => Kind::NoSuchBucket,
        (404, Some("NoSuchUpload")) => Kind::NoSuchUpload,
        // It lies in another region, which is known from now on.
        (_, Some("PermanentRedirect" | "AuthorizationHeaderMalformed")) => Kind::Busy,
        (400, Some("BadDigest" | "XAmzContentChecksumMismatch")) => Kind::Damaged,
        // Of an upload that two workers share, one has sent a part again since the other listed it.
        (400, Some("InvalidPart")) => Kind::Conflict,
        (404, _) => Kind::NotFound,
        (401 | 403, _) => Kind::Denied,
        (412, _) => Kind::PreconditionFailed,
        (409, _) => Kind::Conflict,
        (416, _) => Kind::NoSuchRange,
        (503, Some("SlowDown" | "TooManyRequests" | "RequestLimitExceeded" | "Throttling")) => {
            Kind::Busy
        }
        // Whatever it is called: the request was turned away, and nothing was done.
        (429, _) => Kind::Busy,
        (400, Some(code)) if is_throttling(code) => Kind::Busy,
        // The server waited for the rest of the request in vain.
        (408, _) => Kind::Unknown,
        (501, _) => Kind::Refused,
        // Behind a 5xx the effect may have happened.
        (500.., _) => Kind::Unknown,
        _ => Kind::Refused,
    }
}

/// Whether a code says that an object is archived: of a read and of a copy in place.
fn is_archived(code: &str) -> bool {
    matches!(
        code,
        "InvalidObjectState" | "ObjectNotInActiveTierError" | "ObjectNotInActiveTier"
    )
}

/// Whether a code that comes with 403 is about something else than keys and rights, so that neither other keys nor other
/// rights help. Every other 403 is about rights: `AccessDenied`, `InvalidAccessKeyId`, `SignatureDoesNotMatch`,
/// `AllAccessDisabled`, `ExpiredToken` and whatever else they are called.
fn is_no_question_of_rights(code: &str) -> bool {
    matches!(
        code,
        // A clock is wrong.
        "RequestTimeTooSkewed"
            | "RequestExpired"
            // The account is full (Ceph, MinIO, SeaweedFS).
            | "QuotaExceeded"
            | "XMinioAdminBucketQuotaExceeded"
            | "XMinioStorageFull"
            | "InsufficientStorage"
            // Object Lock holds what is there.
            | "ObjectLocked"
            | "InvalidRetentionPeriod"
    )
}

/// Whether a code of AWS's other services, which answer it with 400, says that there were too many requests.
fn is_throttling(code: &str) -> bool {
    let code = code.rsplit(['.', '#']).next().unwrap_or(code);
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "Throttled"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "KMSThrottling"
            | "KMSThrottlingException"
            | "KmsThrottled"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown"
    )
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} failed ({:?}): {}",
            self.operation, self.place, self.kind, self.cause
        )
    }
}

impl Error for CallError {}

#[cfg(test)]
mod tests;
