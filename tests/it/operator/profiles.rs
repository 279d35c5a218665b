//! The kinds of AWS profiles that people have: each works, or the error says what to run.

use super::{Ran, Site};
use crate::servers::scratch;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// `hookctl audit` with this AWS config file, and with no credentials in the environment.
async fn with(config: &str, profile: Option<&str>, folder: &Path) -> Ran {
    let mut site = Site::new(json!({}), false).await;
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        site.variables.remove(name);
    }
    std::fs::create_dir_all(folder.join(".aws")).unwrap();
    std::fs::write(folder.join(".aws/config"), config).unwrap();
    site.set("HOME", folder.to_str().unwrap());
    // Nothing is asked of the network.
    site.set("AWS_EC2_METADATA_DISABLED", "true");
    if let Some(profile) = profile {
        site.set("AWS_PROFILE", profile);
    }
    site.run(&["audit", "vk", "origin"]).await
}

fn script(folder: &Path, body: &str) -> String {
    let path = folder.join("credentials.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_credential_process_is_run() {
    let folder = scratch("profiles");
    let gives = r#"{"Version": 1, "AccessKeyId": "local", "SecretAccessKey": "local"}"#;
    let program = script(&folder, &format!("echo '{gives}'"));
    for (head, profile) in [("[default]", None), ("[profile work]", Some("work"))] {
        let config = format!("{head}\ncredential_process = {program}\n");
        let ran = with(&config, profile, &folder).await;
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{ran:?}");
    }
    let program = script(&folder, "echo 'the vault is closed' >&2; exit 3");
    let config = format!("[profile work]\ncredential_process = {program}\n");
    let ran = with(&config, Some("work"), &folder).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let expected = "the credential_process of AWS profile work gave no credentials";
    assert!(ran.err.contains(expected), "{ran:?}");
}

#[tokio::test]
async fn a_session_that_is_over_says_how_to_log_in_and_nothing_else() {
    let folder = scratch("profiles");
    let sso = "[profile work]\nsso_session = main\nsso_account_id = 123456789012\nsso_role_name = Reader\n\
        [sso-session main]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n";
    let old = "[default]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n\
        sso_account_id = 123456789012\nsso_role_name = Reader\n";
    let login =
        "[profile me]\nlogin_session = arn:aws:iam::123456789012:user/me\nregion = eu-west-1\n";
    for (config, profile, expected) in [
        (sso, Some("work"), "run `aws sso login --profile work`"),
        (old, None, "run `aws sso login` ("),
        (login, Some("me"), "run `aws login --profile me`"),
        (sso, Some("nobody"), "there is no AWS profile nobody"),
        (
            "",
            None,
            "there are no AWS credentials: run `aws configure`",
        ),
    ] {
        let ran = with(config, profile, &folder).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(expected), "{expected}: {ran:?}");
        for word in [
            "WARN",
            "cargo feature",
            "dispatch failure",
            "was not enabled",
        ] {
            assert!(!ran.err.contains(word), "{word}: {ran:?}");
        }
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    }
}
