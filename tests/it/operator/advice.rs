//! What `hookctl doctor` advises goes by the error, and not by the call that failed.

use super::Site;
use hookwork::twin::faults::{Fault, On};
use serde_json::{Value, json};

/// The check of the backup's listing: its verdict and its advice.
async fn of_backup(site: &Site) -> (Option<i32>, Value) {
    let ran = site.run(&["doctor", "--json"]).await;
    let found = ran.lines().into_iter().find(|check| {
        let what = check["what"].as_str().unwrap_or_default();
        what == "backup backup"
    });
    (ran.code, found.unwrap_or_else(|| panic!("{ran:?}")))
}

#[tokio::test]
async fn each_kind_of_refusal_has_an_advice_of_its_own() {
    for (status, code, expected) in [
        (301, "PermanentRedirect", "it is in another region"),
        (
            400,
            "AuthorizationHeaderMalformed",
            "it is in another region",
        ),
        (501, "NotImplemented", "this server does not know the call"),
        (
            405,
            "MethodNotAllowed",
            "this server does not know the call",
        ),
        (400, "ExpiredToken", "have expired: log in again"),
        (
            403,
            "RequestTimeTooSkewed",
            "the clock of this machine differs",
        ),
        (403, "InvalidAccessKeyId", "knows no such access key"),
        (
            403,
            "SignatureDoesNotMatch",
            "does not belong to the access key's id",
        ),
        (404, "NoSuchBucket", "it is not there"),
        (400, "InvalidBucketName", "not a name or an address"),
        (403, "AccessDenied", "s3:ListBucket on the bucket is denied"),
    ] {
        let site = Site::new(json!({}), false).await;
        let on = On::every().of("ListObjectsV2").bucket("backup");
        site.faults.inject(on, Fault::Status(status, code));
        let (ended, check) = of_backup(&site).await;
        assert_eq!(
            (ended, &check["verdict"]),
            (Some(1), &json!("fail")),
            "{check}"
        );
        let advice = check["advice"].as_str().unwrap_or_default();
        assert!(advice.contains(expected), "{code}: {check}");
        let found = check["found"].as_str().unwrap_or_default();
        assert!(found.contains(code), "{check}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_in_a_few_words() {
    let mut site = Site::new(json!({}), true).await;
    site.set("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
    let (ended, check) = of_backup(&site).await;
    assert_eq!(ended, Some(1));
    let advice = check["advice"].as_str().unwrap_or_default();
    assert!(advice.contains("nothing listens there"), "{check}");
    for arguments in [&["tail", "--once"][..], &["audit", "vk", "origin"]] {
        let ran = site.run(arguments).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(": connection refused\n"), "{ran:?}");
        assert!(!ran.err.contains("dispatch failure"), "{ran:?}");
    }
}
