//! What a user does with `hookctl dev`: real S3 clients put and remove, and the backup follows, byte for byte.
//!
//! It must never look into the process: what it shows is what it prints, and what any S3 client sees.

mod minio;

use crate::conformance::client;
use crate::servers::{Process, installed, scratch};
use crate::world::bytes;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const HOOKCTL: &str = env!("CARGO_BIN_EXE_hookctl");
const MIB: usize = 1 << 20;
/// How long the backup may take to follow.
const PATIENCE: Duration = Duration::from_secs(60);

type Objects = BTreeMap<String, Vec<u8>>;

/// A running `hookctl dev` and a folder for the files of its users.
struct Dev {
    process: Process,
    folder: PathBuf,
    s3_url: String,
    client: Client,
}

impl Dev {
    /// Starts it and waits until it invites to try it by hand.
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further options.
    fn start_with(options: &[&str]) -> Self {
        let mut command = Command::new(HOOKCTL);
        command.args(["dev", "--port", "0", "--s3-port", "0"]);
        command.args(options);
        let folder = scratch("dev");
        let mut process = Process::start("hookctl dev", command, folder.clone());
        let log = folder.join("log");
        let printed = || std::fs::read_to_string(&log).unwrap_or_default();
        process.wait_until("it invites to try it", || {
            printed().contains("Ctrl-C stops.")
        });
        let said = printed();
        assert!(said.contains("All 9 steps were right."), "{said}");
        let s3 = said.lines().find_map(|line| line.trim().strip_prefix("S3"));
        let s3_url = s3.and_then(|line| line.split_whitespace().next()).unwrap();
        let local = Credentials::new("any", "key", None, None, "tests");
        Self {
            client: client(s3_url, local),
            s3_url: s3_url.to_owned(),
            process,
            folder,
        }
    }

    /// A file for a client to put.
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join("files").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs a client of the Python environment with the keys that are printed.
    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(installed(program));
        let settings = [
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &self.s3_url),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("RCLONE_CONFIG", "/dev/null"),
        ];
        let Output {
            status,
            stdout,
            stderr,
        } = command.args(arguments).envs(settings).output().unwrap();
        let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{program} {arguments:?}: {said}");
    }

    fn aws(&self, arguments: &[&str]) {
        self.run("aws", &[&["s3", "--only-show-errors"], arguments].concat());
    }

    /// rclone's name of a place in the origin.
    fn remote(&self, prefix: &str) -> String {
        let endpoint = &self.s3_url;
        format!(
            ":s3,provider=Other,env_auth=true,endpoint=\"{endpoint}\",force_path_style=true:origin/{prefix}"
        )
    }

    /// Every object of a bucket below a prefix.
    async fn objects(&self, bucket: &str, prefix: &str) -> Objects {
        let list = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        let list = list.send().await.unwrap();
        let mut objects = Objects::new();
        for entry in list.contents() {
            let key = entry.key().unwrap();
            let get = self.client.get_object().bucket(bucket).key(key);
            // What goes between the listing and the look is not there.
            if let Ok(found) = get.send().await {
                let body = found.body.collect().await.unwrap();
                objects.insert(key.to_owned(), body.to_vec());
            }
        }
        objects
    }

    /// Looks at the backup until it is as expected.
    async fn backup_becomes(&self, prefix: &str, expected: &Objects) {
        let started = Instant::now();
        loop {
            let backup = self.objects("backup", prefix).await;
            if backup == *expected {
                return;
            }
            let sizes = |objects: &Objects| -> Vec<(String, usize)> {
                let sizes = objects.iter().map(|(key, body)| (key.clone(), body.len()));
                sizes.collect()
            };
            assert!(
                started.elapsed() < PATIENCE,
                "{:?} instead of {:?}\n{}",
                sizes(&backup),
                sizes(expected),
                self.process.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ctrl-C.
    fn stop(mut self) {
        let ended = self.process.interrupt();
        let said = self.process.log();
        assert_eq!(ended.code(), Some(0), "{said}");
        assert!(said.ends_with("\nstopped\n"), "{said}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn the_backup_follows_the_aws_command_line() {
    let dev = Dev::start();
    let contents = [
        ("small", bytes(1000)),
        ("64 MiB", bytes(64 * MIB)),
        ("empty", bytes(0)),
    ];
    let mut expected = Objects::new();
    for (name, content) in contents {
        let file = dev.file(name, &content);
        dev.aws(&["cp", text(&file), &format!("s3://origin/aws/{name}")]);
        expected.insert(format!("aws/{name}"), content.to_vec());
    }
    dev.backup_becomes("aws/", &expected).await;
    dev.aws(&["rm", "s3://origin/aws/64 MiB"]);
    expected.remove("aws/64 MiB");
    dev.backup_becomes("aws/", &expected).await;
    dev.aws(&["rm", "--recursive", "s3://origin/aws/"]);
    dev.backup_becomes("aws/", &Objects::new()).await;
    dev.stop();
}

#[tokio::test]
async fn the_backup_follows_rclone() {
    let dev = Dev::start();
    let names = [
        "plain.txt",
        "a b/c+d.txt",
        "100%/a%20b",
        "Ünï/файл.txt",
        "日本語",
        "q'uo\"te & <tag>;#?",
        " leading and trailing ",
        "deep/er/and/deeper",
        "~tilde*star[0]",
        "empty",
    ];
    let mut expected = Objects::new();
    for name in names {
        let content = if name == "empty" { "" } else { name };
        dev.file(&format!("tree/{name}"), content.as_bytes());
        expected.insert(format!("tree/{name}"), content.into());
    }
    let large = bytes(12 * MIB);
    dev.file("tree/large", &large);
    expected.insert("tree/large".to_owned(), large.to_vec());

    let tree = dev.folder.join("files/tree");
    let remote = dev.remote("tree");
    let parts = ["--s3-upload-cutoff=5Mi", "--s3-chunk-size=5Mi"];
    dev.run(
        "rclone",
        &[&["copy", text(&tree), &remote], &parts[..]].concat(),
    );
    assert_eq!(
        dev.objects("origin", "tree/").await,
        expected,
        "it put them all"
    );
    dev.backup_becomes("tree/", &expected).await;
    dev.run("rclone", &["delete", &remote]);
    dev.backup_becomes("tree/", &Objects::new()).await;
    dev.stop();
}

#[test]
fn the_demonstration_shows_every_step_and_the_summary() {
    let arguments = ["dev", "--once", "--port", "0", "--s3-port", "0"];
    let shown = Command::new(HOOKCTL).args(arguments).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.status.code(), Some(0), "{text}");
    for expected in [
        "All 9 steps were right.",
        "Average: 99.506109",
        "Unbiased Variance: 243.961858",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(!text.contains("Ctrl-C"), "it does not stay:\n{text}");
    assert_eq!(String::from_utf8(shown.stderr).unwrap(), "");
}

#[test]
fn the_local_run_writes_its_settings_for_other_commands_and_audits_when_it_is_asked_to() {
    let settings = scratch("settings").join("local.json");
    let token = "a token of one's own";
    let mut dev = Dev::start_with(&["--write", text(&settings), "--inbox-token", token]);
    let said = dev.process.log();
    assert!(said.contains(&format!("its token    {token}")), "{said}");
    let asked = format!("kill -USR1 {}", dev.process.id());
    assert!(said.contains(&asked), "{said}");
    let audits = |said: &str| said.matches("       audited      ").count();
    assert_eq!(audits(&said), 1, "{said}");
    let sent = Command::new("sh").args(["-c", &asked]).status().unwrap();
    assert!(sent.success());
    let log = dev.folder.join("log");
    dev.process.wait_until("it has audited once more", || {
        audits(&std::fs::read_to_string(&log).unwrap_or_default()) == 2
    });
    let arguments = ["--settings", text(&settings), "audit", "vk", "origin"];
    let audited = Command::new(HOOKCTL).args(arguments).output().unwrap();
    assert_eq!(audited.status.code(), Some(0), "{audited:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&settings.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    dev.stop();
}

#[test]
fn a_token_that_the_inbox_would_not_take_is_refused_at_the_start() {
    let arguments = ["dev", "--once", "--inbox-token", "too short"];
    let refused = Command::new(HOOKCTL).args(arguments).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("expected 16 characters or more"), "{said}");
}

#[tokio::test]
async fn a_script_is_called_for_every_outcome_with_hostile_keys_as_they_are() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = scratch("script");
    let (program, called) = (folder.join("pro gram"), folder.join("called"));
    let body = "#!/bin/sh\necho \"heard: $3\"\nprintf '%s\\0' \"$@\" >> \"$(dirname \"$0\")/called\"\nexit 7\n";
    std::fs::write(&program, body).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let dev = Dev::start_with(&["--script", text(&program)]);
    let key = "-rf it's \"a\" $(touch pwned)`id`;|&>x\nof two lines";
    let put = dev.client.put_object().bucket("origin").key(key);
    put.body(b"1".to_vec().into()).send().await.unwrap();
    dev.backup_becomes("-rf", &[(key.to_owned(), b"1".to_vec())].into())
        .await;
    let delete = dev.client.delete_object().bucket("origin").key(key);
    delete.send().await.unwrap();
    dev.backup_becomes("-rf", &Objects::new()).await;
    let expected = [["origin", key, "copy"], ["origin", key, "delete"]].concat();
    let started = Instant::now();
    loop {
        let found = std::fs::read_to_string(&called).unwrap_or_default();
        let found: Vec<_> = found.split_terminator('\0').collect();
        if found.ends_with(&expected) && dev.process.log().matches("it failed").count() > 1 {
            // Those of the steps before it too.
            assert!(found.contains(&"demo/large.bin"), "{found:?}");
            break;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{found:?}\n{}",
            dev.process.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let said = dev.process.log();
    assert!(
        said.contains("heard: delete") && said.contains("it failed (exit status: 7)"),
        "{said}"
    );
    dev.stop();
    assert!(!Path::new("pwned").exists());
}

#[test]
fn a_script_that_is_not_there_stops_the_start() {
    let arguments = [
        "dev",
        "--once",
        "--port",
        "0",
        "--s3-port",
        "0",
        "--script",
        "/nowhere/at all",
    ];
    let refused = Command::new(HOOKCTL).args(arguments).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(String::from_utf8(refused.stdout).unwrap(), "");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.starts_with("error: --script: there is no program /nowhere/at all"),
        "{said}"
    );
}

#[test]
fn a_taken_port_is_told_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (flag, other, variable) in [
        ("--port", "--s3-port", "PORT"),
        ("--s3-port", "--port", "S3_PORT"),
    ] {
        let arguments = ["dev", flag, &port.to_string(), other, "0"];
        let refused = Command::new(HOOKCTL).args(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert_eq!(String::from_utf8(refused.stdout).unwrap(), "");
        let next = port.checked_add(1).unwrap_or(0);
        assert_eq!(
            String::from_utf8(refused.stderr).unwrap(),
            format!(
                "error: port {port} is in use by another program; choose another one, as in {variable}={next}\n"
            )
        );
    }
}
