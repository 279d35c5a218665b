//! What an answer means by its status and code.

use super::*;

#[test]
fn a_404_is_only_no_such_key_with_its_code() {
    assert_eq!(by_status(404, Some("NoSuchKey")), Kind::NoSuchKey);
    assert_eq!(by_status(404, Some("NoSuchBucket")), Kind::NoSuchBucket);
    assert_eq!(by_status(404, None), Kind::NotFound);
    assert_eq!(by_status(403, None), Kind::Denied);
    let sqs = by_status(400, Some("AccessDeniedException"));
    assert_eq!(sqs, Kind::Denied);
}

#[test]
fn a_403_that_is_no_question_of_rights_is_told_apart_by_its_code() {
    for (code, kind) in [
        ("InvalidObjectState", Kind::Archived),
        ("ObjectNotInActiveTierError", Kind::Archived),
        ("ObjectNotInActiveTier", Kind::Archived),
        ("RequestTimeTooSkewed", Kind::Refused),
        ("QuotaExceeded", Kind::Refused),
        ("ObjectLocked", Kind::Refused),
        ("RequestThrottled", Kind::Busy),
        ("SlowDown", Kind::Busy),
        ("AccessDenied", Kind::Denied),
        ("InvalidAccessKeyId", Kind::Denied),
        ("SignatureDoesNotMatch", Kind::Denied),
        ("AllAccessDisabled", Kind::Denied),
        ("AnythingElse", Kind::Denied),
    ] {
        assert_eq!(by_status(403, Some(code)), kind, "{code}");
    }
    let in_200 = by_status(200, Some("ObjectNotInActiveTierError"));
    assert_eq!(in_200, Kind::Archived);
}

#[test]
fn object_lock_wants_a_checksum_in_whatever_words() {
    let wanted = |code, message| wants_checksum(Some(code), message);
    for message in [
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters",
        "Content-MD5 HTTP header is required for Put Object requests with Object Lock parameters",
        "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
    ] {
        assert!(wanted("InvalidRequest", message), "{message}");
    }
    assert!(!wanted(
        "InvalidRequest",
        "The Content-MD5 you specified is not valid."
    ));
    assert!(!wanted("AccessDenied", "Content-MD5 is required"));
    assert!(!wanted(
        "InvalidRequest",
        "x-amz-mp-object-size is not the size of the parts"
    ));
}

#[test]
fn a_5xx_leaves_the_outcome_unknown_unless_its_code_says_otherwise() {
    assert_eq!(by_status(503, Some("SlowDown")), Kind::Busy);
    assert_eq!(by_status(503, None), Kind::Unknown);
    assert_eq!(by_status(500, Some("InternalError")), Kind::Unknown);
    assert_eq!(by_status(200, Some("InternalError")), Kind::Unknown);
    assert_eq!(by_status(200, Some("SlowDown")), Kind::Busy);
    assert_eq!(by_status(501, Some("NotImplemented")), Kind::Refused);
}

#[test]
fn a_call_without_an_answer_has_the_cause_alone() {
    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Layer(#[source] std::io::Error);
    let of = |io| unanswered(&Layer(io));
    let refused = of(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
    assert_eq!(
        refused,
        (Some(code::REFUSED), "connection refused".to_owned())
    );
    let (found, text) = of(std::io::Error::other(
        "failed to lookup address information: Name or service not known",
    ));
    assert_eq!(found, Some(code::NO_HOST));
    assert!(text.starts_with("failed to lookup"), "{text}");
    let tls = rustls::Error::HandshakeNotComplete;
    assert_eq!(of(std::io::Error::other(tls)).0, Some(code::TLS));
    let other = of(std::io::Error::other("odd"));
    assert_eq!(other, (None, "client error (Connect): odd".to_owned()));
    let none = std::io::Error::other(NoCredentials("log in".to_owned()));
    assert_eq!(of(none).0, None, "it is no cause of an io error");
}

#[test]
fn too_many_requests_is_no_refusal_however_it_is_spelled() {
    for (status, code) in [
        (429, None),
        (429, Some("AnythingAtAll")),
        (400, Some("ThrottlingException")),
        (400, Some("Throttling")),
        (400, Some("AWS.SimpleQueueService.RequestThrottled")),
        (400, Some("KMSThrottlingException")),
        (503, Some("SlowDown")),
    ] {
        assert_eq!(by_status(status, code), Kind::Busy, "{status} {code:?}");
    }
    assert_eq!(by_status(408, None), Kind::Unknown);
    assert_eq!(by_status(400, Some("InvalidArgument")), Kind::Refused);
}
