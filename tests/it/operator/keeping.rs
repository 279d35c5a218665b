//! `hookctl doctor` tells what the backup's bucket keeps, and where it lies.

use super::Site;
use super::doctor::examined;
use crate::conformance::client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::types::builders::LifecycleRuleBuilder;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, NoncurrentVersionExpiration, PublicAccessBlockConfiguration,
};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Elsewhere, Retention};
use serde_json::json;

/// The lines about the backup: verdict and text.
async fn of_backup(site: &Site) -> Vec<(String, String)> {
    let (_, checks) = examined(site, &[]).await;
    let about = |said: &str| said.starts_with("backup backup: ");
    checks.into_iter().filter(|(_, said)| about(said)).collect()
}

fn says(checks: &[(String, String)], verdict: &str, text: &str) {
    let said = checks
        .iter()
        .any(|(found, said)| found == verdict && said.contains(text));
    assert!(said, "no {verdict} \"{text}\": {checks:#?}");
}

#[tokio::test]
async fn tells_what_the_backup_keeps_and_where_it_lies() {
    let site = Site::new(json!({}), true).await;
    let local = Credentials::new("local", "local", None, None, "tests");
    let backup = client(&site.variables["AWS_ENDPOINT_URL_S3"], local);
    // Nothing is set: what was removed cannot be had back.
    let bare = of_backup(&site).await;
    says(&bare, "pass", "region: us-east-1");
    says(
        &bare,
        "warn",
        "versions: NONE ARE KEPT: each removal and each overwrite is final",
    );
    says(&bare, "pass", "Object Lock: none");
    says(
        &bare,
        "warn",
        "public access: the bucket itself does not block it through policies and access control lists",
    );
    says(&bare, "warn", "lifecycle: uploads: no rule drops");
    // As the template makes it, and locked.
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    let put = backup.put_public_access_block().bucket("backup");
    put.public_access_block_configuration(block.build())
        .send()
        .await
        .unwrap();
    let rule = |rule: LifecycleRuleBuilder| {
        let everything = LifecycleRuleFilter::builder().prefix("").build();
        rule.status(ExpirationStatus::Enabled)
            .filter(everything)
            .build()
            .unwrap()
    };
    let new = LifecycleRule::builder;
    let uploads = AbortIncompleteMultipartUpload::builder().days_after_initiation(7);
    let old = NoncurrentVersionExpiration::builder().noncurrent_days(30);
    let rules = BucketLifecycleConfiguration::builder()
        .rules(rule(
            new().abort_incomplete_multipart_upload(uploads.build()),
        ))
        .rules(rule(new().noncurrent_version_expiration(old.build())));
    let put = backup.put_bucket_lifecycle_configuration().bucket("backup");
    put.lifecycle_configuration(rules.build().unwrap())
        .send()
        .await
        .unwrap();
    site.store.lock_bucket(
        "backup",
        Some(Retention {
            mode: "COMPLIANCE".to_owned(),
            days: 90,
        }),
    );
    site.store
        .place_bucket("backup", "eu-central-1", Elsewhere::Redirect);
    let whole = of_backup(&site).await;
    says(
        &whole,
        "warn",
        "region: it lies in eu-central-1, and is asked for in us-east-1",
    );
    says(&whole, "warn", "set BACKUP_REGION to eu-central-1");
    says(&whole, "pass", "versions: kept");
    says(
        &whole,
        "pass",
        "Object Lock: COMPLIANCE, 90 days: nobody can remove a version",
    );
    says(&whole, "pass", "public access: blocked");
    says(
        &whole,
        "pass",
        "old versions: what was replaced or removed can be had back for 30 days, then it goes, unless it was written less than 90 days ago",
    );
    says(
        &whole,
        "pass",
        "uploads: those that nobody goes on with are dropped after 7 days",
    );
    assert!(
        whole
            .iter()
            .all(|(verdict, said)| verdict == "pass" || said.contains("region"))
    );
    // A lock without a retention retains nothing.
    site.store.lock_bucket("backup", None);
    says(
        &of_backup(&site).await,
        "warn",
        "Object Lock: it is on, and there is no default retention",
    );
}

#[tokio::test]
async fn names_the_permission_that_is_missing_to_look_at_the_backup() {
    for (operation, permission) in [
        ("HeadBucket", "s3:ListBucket"),
        ("GetBucketVersioning", "s3:GetBucketVersioning"),
        (
            "GetObjectLockConfiguration",
            "s3:GetBucketObjectLockConfiguration",
        ),
        ("GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
        (
            "GetBucketLifecycleConfiguration",
            "s3:GetLifecycleConfiguration",
        ),
    ] {
        let site = Site::new(json!({}), true).await;
        let calls = On::every().of(operation).bucket("backup");
        site.faults
            .inject(calls, Fault::Status(403, "AccessDenied"));
        let denied = of_backup(&site).await;
        says(&denied, "warn", &format!("allow yourself {permission}"));
        // A storage that does not know the call is no failure.
        site.faults.clear();
        let calls = On::every().of(operation).bucket("backup");
        site.faults
            .inject(calls, Fault::Status(501, "NotImplemented"));
        says(
            &of_backup(&site).await,
            "warn",
            "the storage does not know this call",
        );
    }
}
