//! The local run answers what `hookctl` asks, with the settings that it wrote itself.

use super::{HOOKCTL, Ran};
use crate::servers::{scratch, unique};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A `hookctl dev` that stays up.
struct Local {
    child: Child,
    file: PathBuf,
    said: String,
}

impl Local {
    async fn start() -> Self {
        let folder = scratch(&unique("local"));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, log) = (folder.join("local.json"), folder.join("log"));
        let mut command = Command::new(HOOKCTL);
        command.args(["dev", "--port", "0", "--s3-port", "0", "--write"]);
        command
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap());
        let mut local = Self {
            child: command.spawn().unwrap(),
            file,
            said: String::new(),
        };
        let started = Instant::now();
        while !local.said.contains("Ctrl-C stops.") {
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "{}",
                local.said
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
            local.said = std::fs::read_to_string(&log).unwrap();
        }
        local
    }

    fn url(&self) -> String {
        let url = self
            .said
            .lines()
            .find_map(|line| line.trim().strip_prefix("function"));
        url.unwrap().trim().to_owned()
    }

    fn hookctl(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(HOOKCTL);
        command.env_clear().arg("--settings").arg(&self.file);
        Ran::of(
            command
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .unwrap(),
        )
    }

    /// The command that is printed and begins so, without its backslashes.
    fn printed(&self, start: &str) -> String {
        let mut lines = self
            .said
            .lines()
            .map(str::trim)
            .skip_while(|line| !line.starts_with(start));
        let mut command = String::new();
        for line in lines.by_ref() {
            match line.strip_suffix('\\') {
                Some(more) => command.push_str(more),
                None => return command + line,
            }
        }
        panic!("{start} is not in {}", self.said)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shell(line: &str) -> String {
    let ran = Command::new("sh").args(["-c", line]).output().unwrap();
    String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_on_the_settings_that_it_wrote() {
    let local = Local::start().await;
    let url = local.url();
    for arguments in [&["doctor", "--json"][..], &["doctor", "--json", "--write"]] {
        let ran = local.hookctl(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let checks = ran.lines();
        let failed: Vec<_> = checks
            .iter()
            .filter(|check| check["verdict"] == "fail")
            .collect();
        assert_eq!(failed, [&Value::Null; 0]);
        let topic = checks
            .iter()
            .find(|check| check["what"] == "topic")
            .unwrap();
        assert_eq!(topic["verdict"], "pass", "{topic}");
    }
    let ran = local.hookctl(&["dead-letters", "list"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("without a queue"), "{ran:?}");
    for arguments in [
        &["audit", "vk", "origin"][..],
        &["backfill", "vk", "origin", "--dry-run"],
        &["tail", "--once"],
    ] {
        let ran = local.hookctl(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    // What is printed to be pasted fits, but for the paths of this test.
    let file = local.file.to_str().unwrap();
    for line in local.said.lines() {
        let path = line.contains(HOOKCTL) || line.contains(file);
        assert!(path || line.chars().count() <= 80, "{line}");
    }

    // What other senders would post.
    for (source, code) in [
        ("github", "published"),
        ("stripe", "published"),
        ("any", "published"),
    ] {
        let hook = format!("{url}/hooks/{source}");
        let signed = local.hookctl(&["sign", source, "--url", &hook]);
        assert_eq!(signed.code, Some(0), "{signed:?}");
        let answer = shell(&signed.out);
        assert!(answer.contains(code), "{source}: {answer}");
        if source != "any" {
            let forged = shell(&signed.out.replace("sample", "simple"));
            assert!(
                forged.contains("signature or token missing or wrong"),
                "{forged}"
            );
        }
    }
    for (start, expected) in [
        (format!("curl -s {url}/hooks/any"), "published"),
        (format!("curl -s {url}/inbox/api/endpoints"), "\"token\""),
    ] {
        let answer = shell(&local.printed(&start));
        assert!(answer.contains(expected), "{start}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_of_vk_is_registered_after_its_handshake_and_then_delivered_to() {
    let local = Local::start().await;
    let url = format!("{}/hooks/vk", local.url());
    let register =
        |more: &[&str]| local.hookctl(&[&["register", "vk", "vk", "origin"], more].concat());
    let dry = register(&["--url", &url, "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.out.contains("one is replaced by hookwork"), "{dry:?}");
    assert!(dry.out.contains(&format!("<Url>{url}</Url>")), "{dry:?}");
    let done = register(&["--url", &url, "--yes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("registered"), "{done:?}");

    // The function signs the URL of its settings: another spelling is not confirmed, and nothing of the old is lost.
    let other = url.replace("127.0.0.1", "localhost");
    let refused = register(&["--url", &other, "--id", "second", "--yes"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.err.contains("status 400, InvalidArgument"),
        "{refused:?}"
    );
    assert!(!refused.err.contains("<Error>"), "{refused:?}");

    // Only keys under a prefix from here on.
    let narrow = register(&["--url", &url, "--prefix", "photos/", "--yes"]);
    assert_eq!(narrow.code, Some(0), "{narrow:?}");
    let settings = std::fs::read_to_string(&local.file).unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    let s3 = settings["AWS_ENDPOINT_URL_S3"].as_str().unwrap();
    let http = reqwest::Client::new();
    for key in ["docs/a", "photos/a"] {
        let put = http
            .put(format!("{s3}/origin/{key}"))
            .body("1")
            .send()
            .await
            .unwrap();
        assert!(put.status().is_success(), "{put:?}");
    }
    let status = async |key: &str| {
        let found = http.get(format!("{s3}/backup/{key}")).send().await.unwrap();
        found.status().as_u16()
    };
    let started = Instant::now();
    while status("photos/a").await != 200 {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it was not copied"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status("docs/a").await, 404, "nobody was told of it");
}

#[test]
fn the_first_build_is_announced_and_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = scratch(&unique("make"));
    let cargo = folder.join("cargo");
    std::fs::write(&cargo, "#!/bin/sh\necho cargo \"$@\"\n").unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let built = folder.join("debug");
    for first in [true, false] {
        for target in ["demo", "run"] {
            let mut make = Command::new("make");
            make.args(["--no-print-directory", target])
                .env("PATH", &path);
            // Of the make that may run this test.
            make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
            make.env("CARGO_TARGET_DIR", &folder)
                .current_dir(env!("CARGO_MANIFEST_DIR"));
            let ran = Ran::of(make.output().unwrap());
            let mut lines = ran.out.lines();
            if first {
                assert!(
                    lines.next().unwrap().starts_with("Building hookctl"),
                    "{ran:?}"
                );
            }
            let line = lines.next().unwrap();
            assert!(line.starts_with("cargo run --features dev"), "{ran:?}");
            assert_eq!((lines.next(), ran.code), (None, Some(0)));
        }
        std::fs::create_dir_all(&built).unwrap();
        std::fs::copy(&cargo, built.join("hookctl")).unwrap();
    }
}
