//! What to do about a call that failed, by what the far side said, whatever the call was.

use crate::clients::error::{CallError, Kind, code};

const REGION: &str = "it is in another region: set the region that the answer names, or that `aws s3api get-bucket-location` prints";
const NO_CALL: &str = "this server does not know the call: nothing else is wrong with it; is the endpoint the one that is meant?";
const EXPIRED: &str =
    "the credentials of this session have expired: log in again, as with `aws sso login`";
const CLOCK: &str =
    "the clock of this machine differs from the server's: set it, as by NTP, and ask again";
const NO_KEY: &str = "this service knows no such access key: check which credentials are used (`aws sts get-caller-identity`), and for which account or endpoint";
const WRONG_KEY: &str = "the secret access key does not belong to the access key's id, or a proxy changes requests on their way: put both anew";
const NOT_THERE: &str = "it is not there: check its name, and the region and account";
const NAME: &str = "this is not a name or an address that the service takes: check the setting";
const KMS: &str =
    "its KMS key is disabled, deleted or not yours to use: check the key and your rights to it";
const BUSY: &str = "too many requests at the moment: ask again in a while";
const ARCHIVED: &str = "it is archived: restore it first, then ask again";
const REFUSED: &str =
    "nothing listens there: is the server running, and is the port of the endpoint right?";
const NO_HOST: &str =
    "the host's name has no address: check the endpoint or URL, the region in it, and DNS";
const TLS: &str = "TLS did not come up: check http or https in the endpoint, and which authority signed its certificate";
const TIMEOUT: &str =
    "no answer in time: check network, proxy, firewall or VPC, and the endpoint's region";
const LOG_IN: &str = "do as the error says, then ask again";
const DOWN: &str = "the server failed: ask again in a while, and see its own status or log";
const NOBODY: &str = "nobody answers: check endpoint, region, network and credentials";

/// What the codes of the services mean. Those of the query and JSON protocols come with a prefix or the ending `Exception`.
const BY_CODE: [(&[&str], &str); 15] = [
    (
        &[
            "PermanentRedirect",
            "TemporaryRedirect",
            "Redirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraint",
            "IncorrectEndpoint",
        ],
        REGION,
    ),
    (
        &[
            "NotImplemented",
            "InvalidAction",
            "UnknownOperation",
            "UnsupportedOperation",
            "MethodNotAllowed",
        ],
        NO_CALL,
    ),
    (
        &["ExpiredToken", "TokenRefreshRequired", "RequestExpired"],
        EXPIRED,
    ),
    (&["RequestTimeTooSkewed", "RequestInTheFuture"], CLOCK),
    (
        &[
            "InvalidAccessKeyId",
            "UnrecognizedClient",
            "InvalidClientTokenId",
            "InvalidToken",
            "MissingAuthenticationToken",
            "InvalidSecurity",
            "NotSignedUp",
            "OptInRequired",
        ],
        NO_KEY,
    ),
    (
        &[
            "SignatureDoesNotMatch",
            "InvalidSignature",
            "IncompleteSignature",
        ],
        WRONG_KEY,
    ),
    (
        &[
            "NoSuchBucket",
            "NonExistentQueue",
            "QueueDoesNotExist",
            "QueueDeletedRecently",
            "NotFound",
            "ResourceNotFound",
        ],
        NOT_THERE,
    ),
    (
        &[
            "InvalidBucketName",
            "InvalidAddress",
            "InvalidParameter",
            "InvalidParameterValue",
        ],
        NAME,
    ),
    (
        &[
            "KMSDisabled",
            "KMSInvalidState",
            "KMSNotFound",
            "KMSAccessDenied",
            "KMSOptInRequired",
            "KMSInvalidKeyUsage",
            "DecryptionFailure",
            "KMS.Disabled",
            "KMS.NotFound",
            "KMS.AccessDenied",
        ],
        KMS,
    ),
    (&["InvalidObjectState"], ARCHIVED),
    (&[code::REFUSED], REFUSED),
    (&[code::NO_HOST], NO_HOST),
    (&[code::TLS], TLS),
    (&[code::TIMEOUT], TIMEOUT),
    (&[code::NO_CREDENTIALS], LOG_IN),
];

/// What to do about it, where the error itself tells that. Else it depends on the call: a right that is missing, or an answer that is not
/// the one that was asked for.
#[must_use]
pub fn advice(error: &CallError) -> Option<&'static str> {
    let named = error.code.as_deref().map(plain);
    // A signature that is too old or too new is so by a clock; the code is the one of a wrong secret.
    let by_time = [
        "Signature expired",
        "Signature not yet current",
        "too skewed",
    ];
    if by_time.iter().any(|text| error.cause.contains(text)) {
        return Some(CLOCK);
    }
    if let Some(named) = named {
        let found = BY_CODE.iter().find(|(codes, _)| codes.contains(&named));
        if let Some((_, advice)) = found {
            return Some(*advice);
        }
    }
    let status = |status: u16| error.cause.starts_with(&format!("status {status}"));
    match error.kind {
        Kind::NoSuchBucket | Kind::NotFound => Some(NOT_THERE),
        Kind::Busy => Some(BUSY),
        Kind::Unknown if error.cause.starts_with("status 5") => Some(DOWN),
        Kind::Unknown => Some(NOBODY),
        // To a HEAD, and from servers whose answer has no code.
        _ if status(301) || status(307) || status(308) => Some(REGION),
        _ if status(405) || status(501) => Some(NO_CALL),
        _ => None,
    }
}

/// Whether the server does not know the call at all.
pub(super) fn is_no_call(error: &CallError) -> bool {
    advice(error) == Some(NO_CALL)
}

/// A code without the namespace before it and `Exception` behind it: `AWS.SimpleQueueService.NonExistentQueue`,
/// `com.amazon.coral.service#ExpiredTokenException`.
fn plain(code: &str) -> &str {
    let code = code.rsplit('#').next().unwrap_or(code);
    let code = code.strip_suffix("Exception").unwrap_or(code);
    if code.starts_with("KMS.") {
        return code;
    }
    code.rsplit('.').next().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, code: Option<&str>, cause: &str) -> Option<&'static str> {
        let mut error = CallError::of_kind(kind);
        error.code = code.map(str::to_owned);
        error.cause = cause.to_owned();
        advice(&error)
    }

    #[test]
    fn advice_goes_by_the_error_however_its_code_is_spelled() {
        for (kind, code, expected) in [
            (Kind::Refused, "PermanentRedirect", REGION),
            (Kind::Busy, "PermanentRedirect", REGION),
            (Kind::Refused, "AuthorizationHeaderMalformed", REGION),
            (Kind::Refused, "IllegalLocationConstraintException", REGION),
            (Kind::Refused, "NotImplemented", NO_CALL),
            (Kind::Refused, "InvalidAction", NO_CALL),
            (
                Kind::Refused,
                "com.amazon.coral.service#UnknownOperationException",
                NO_CALL,
            ),
            (Kind::Denied, "ExpiredToken", EXPIRED),
            (Kind::Refused, "ExpiredTokenException", EXPIRED),
            (Kind::Denied, "RequestTimeTooSkewed", CLOCK),
            (Kind::Denied, "InvalidAccessKeyId", NO_KEY),
            (Kind::Refused, "UnrecognizedClientException", NO_KEY),
            (Kind::Denied, "InvalidClientTokenId", NO_KEY),
            (Kind::Denied, "SignatureDoesNotMatch", WRONG_KEY),
            (Kind::NoSuchBucket, "NoSuchBucket", NOT_THERE),
            (
                Kind::Refused,
                "AWS.SimpleQueueService.NonExistentQueue",
                NOT_THERE,
            ),
            (
                Kind::Refused,
                "com.amazonaws.sqs#QueueDoesNotExist",
                NOT_THERE,
            ),
            (Kind::Refused, "ResourceNotFoundException", NOT_THERE),
            (Kind::NotFound, "NotFound", NOT_THERE),
            (Kind::Refused, "InvalidBucketName", NAME),
            (Kind::Refused, "KMS.DisabledException", KMS),
            (Kind::Refused, "InvalidObjectState", ARCHIVED),
            (Kind::Unknown, code::REFUSED, REFUSED),
            (Kind::Unknown, code::NO_HOST, NO_HOST),
            (Kind::Unknown, code::TLS, TLS),
            (Kind::Unknown, code::TIMEOUT, TIMEOUT),
            (Kind::Unknown, code::NO_CREDENTIALS, LOG_IN),
            (Kind::Busy, "SlowDown", BUSY),
        ] {
            assert_eq!(of(kind, Some(code), "x"), Some(expected), "{code}");
        }
    }

    #[test]
    fn without_a_code_the_status_tells_and_a_clock_is_known_by_the_words() {
        for (kind, cause, expected) in [
            (Kind::Refused, "status 301: moved", Some(REGION)),
            (Kind::Refused, "status 501: no", Some(NO_CALL)),
            (Kind::Unknown, "status 503: down", Some(DOWN)),
            (Kind::Unknown, "odd", Some(NOBODY)),
            (Kind::Denied, "status 403: no", None),
            (Kind::BadAnswer, "short", None),
        ] {
            assert_eq!(of(kind, None, cause), expected, "{cause}");
        }
        let said =
            "status 400, InvalidSignatureException: Signature expired: 2026 is now earlier than";
        assert_eq!(
            of(Kind::Refused, Some("InvalidSignatureException"), said),
            Some(CLOCK)
        );
        assert_eq!(of(Kind::Denied, Some("AccessDenied"), "x"), None);
        assert_eq!(of(Kind::Denied, Some("AccessDeniedException"), "x"), None);
    }
}
