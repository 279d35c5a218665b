//! What all commands have: settings from a file, help with examples, completions.

use super::Site;
use crate::moto::{call, moto};
use crate::servers::{scratch, unique};
use serde_json::json;

#[tokio::test]
async fn settings_come_from_a_file_as_the_function_has_them() {
    let mut site = Site::new(json!({}), false).await;
    site.put("a", "1");
    let mut variables = std::mem::take(&mut site.variables);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let value = variables.remove(name).unwrap();
        site.set(name, &value);
    }
    // Of the environment, which the file goes before; the log's level is this machine's.
    site.set("BACKUP_BUCKET", "elsewhere");
    variables.insert("LOG_LEVEL".to_owned(), "trace".to_owned());
    let folder = scratch("settings");
    let file = folder.join("settings.json");
    std::fs::write(&file, json!(variables).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let ran = site
        .run(&["backfill", "vk", "origin", "--settings", file])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(site.store.keys("backup"), ["a"]);
    assert!(!ran.err.contains("TRACE"), "{ran:?}");

    std::fs::write(file, "{\"SECRETS\": hunter2}").unwrap();
    let odd = site.run(&["doctor", "--settings", file]).await;
    assert!(
        odd.code == Some(2) && odd.err.contains("expected a JSON object"),
        "{odd:?}"
    );
    assert!(!odd.err.contains("hunter2"), "{odd:?}");
    let none = site.run(&["doctor", "--settings", "/nowhere.json"]).await;
    assert!(
        none.code == Some(2) && none.err.contains("cannot read /nowhere.json"),
        "{none:?}"
    );
    // The local run has its own, and says so rather than seeming to use others.
    let dev = site.run(&["dev", "--once", "--settings", file]).await;
    assert!(
        dev.code == Some(2) && dev.err.contains("settings of its own"),
        "{dev:?}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_settings_of_both_functions_make_one() {
    let mut site = Site::new(json!({}), false).await;
    let secrets: serde_json::Value = serde_json::from_str(&site.variables["SECRETS"]).unwrap();
    site.variables.remove("SECRETS");
    site.set("AWS_ENDPOINT_URL", &moto().await.endpoint);
    let url_key = json!({"vk": {"url_key": secrets["vk"]["url_key"]}});
    let keys = json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}});
    let folder = scratch("settings");
    let mut files = Vec::new();
    for (function, value) in [("worker", keys), ("receiver", url_key)] {
        let name = unique("secret");
        let secret = json!({"Name": name, "SecretString": value.to_string()});
        call("secretsmanager", "secretsmanager.CreateSecret", secret).await;
        let file = folder.join(function);
        std::fs::write(&file, json!({"SECRETS_ARN": name}).to_string()).unwrap();
        files.push(file.to_str().unwrap().to_owned());
    }
    let source = site.variables["SOURCES"].clone();
    let mut sources: serde_json::Value = serde_json::from_str(&source).unwrap();
    sources.as_object_mut().unwrap().remove("intdash");
    site.set("SOURCES", &sources.to_string());
    let settings = ["--settings", &files[0], "--settings", &files[1]];
    let ran = site.run(&[&settings[..], &["doctor"]].concat()).await;
    assert!(
        ran.out
            .contains("pass  source vk: secrets: has what it wants"),
        "{ran:?}"
    );
    let ran = site.run(&[&settings[..2], &["doctor"]].concat()).await;
    assert!(ran.out.contains("there is no url_key"), "{ran:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn every_command_has_help_with_examples_and_completions() {
    let site = Site::new(json!({}), false).await;
    for command in [
        "audit",
        "backfill",
        "doctor",
        "dead-letters",
        "register",
        "sign",
        "completions",
        "tail",
        "replay",
        "dev",
    ] {
        let help = site.run(&[command, "--help"]).await;
        assert!(
            help.code == Some(0) && help.out.contains("Example"),
            "{help:?}"
        );
        assert!(help.out.contains("Exit codes"), "{help:?}");
    }
    let whole = site.run(&["--help"]).await;
    assert!(
        whole.out.contains("--query Environment.Variables") && whole.out.contains("Exit codes"),
        "{whole:?}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let completions = site.run(&["completions", shell]).await;
        assert!(
            completions.code == Some(0) && completions.out.contains("dead-letters"),
            "{shell}"
        );
    }
}
