//! The operator's command line, as it is used: the built `hookctl` as a process, against real far sides.

mod advice;
mod audit;
mod backfill;
mod codes;
mod doctor;
mod hooks;
mod intdash_hooks;
mod keeping;
mod letters;
mod local;
mod profiles;
mod replay;
mod settings;
mod tail;
mod widths;

use crate::world::{Answer, TOPIC, far_sides, function, send, vk};
use axum::body::Body;
use hookwork::twin::faults::Faults;
use hookwork::twin::s3::{Object, Store};
use http::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

const HOOKCTL: &str = env!("CARGO_BIN_EXE_hookctl");
const HOUR: Duration = Duration::from_secs(3600);
/// What must never be printed; the origin's own key pair is `local` on this machine.
const SECRETS: [&str; 4] = [
    "secret-access-key-of-the-origin",
    "signing-secret-of-intdash-32-chars",
    "api-token-of-intdash",
    "url-key-of-vk",
];

/// Far sides, and the settings of a function that works with them.
struct Site {
    store: Store,
    faults: Faults,
    variables: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// What was printed, a line of JSON each.
    fn lines(&self) -> Vec<Value> {
        let lines = self.out.lines().map(serde_json::from_str);
        lines
            .map(|line| line.unwrap_or_else(|_| panic!("{self:?}")))
            .collect()
    }

    fn last(&self) -> Value {
        self.lines().pop().unwrap_or_else(|| panic!("{self:?}"))
    }
}

impl Site {
    /// One origin bucket with this rule, an intdash server, and a state bucket if wanted.
    async fn new(rule: Value, state: bool) -> Self {
        let (store, faults, _, _, [s3_url, aws_url, intdash_url]) = far_sides().await;
        let sources =
            json!({"vk": vk(&s3_url, rule), "intdash": {"kind": "intdash", "url": intdash_url}});
        let [access, signing, token, url_key] = SECRETS;
        let secrets = json!({
            "vk": {"access_key_id": "local", "secret_access_key": access, "url_key": url_key},
            "intdash": {"secrets": [signing], "api_token": token},
        });
        let mut site = Self {
            store,
            faults,
            variables: BTreeMap::new(),
        };
        site.set("SOURCES", &sources.to_string());
        site.set("SECRETS", &secrets.to_string());
        site.set("BACKUP_BUCKET", "backup");
        site.set("SNS_TOPIC_ARN", TOPIC);
        site.set("AWS_ENDPOINT_URL_S3", &s3_url);
        site.set("AWS_ENDPOINT_URL", &aws_url);
        site.set("AWS_REGION", "us-east-1");
        site.set("AWS_ACCESS_KEY_ID", "local");
        site.set("AWS_SECRET_ACCESS_KEY", "local");
        if state {
            site.set("STATE_BUCKET", "state");
        }
        site
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(HOOKCTL);
        command.args(arguments).env_clear().envs(&self.variables);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end, and sees that no secret is printed.
    async fn run(&self, arguments: &[&str]) -> Ran {
        self.answering(arguments, "").await
    }

    /// The same, with this on its stdin.
    async fn answering(&self, arguments: &[&str], typed: &str) -> Ran {
        let (mut command, typed) = (self.command(arguments), typed.to_owned());
        let ended = tokio::task::spawn_blocking(move || {
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            // A command that does not ask has closed it already.
            let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
            child.wait_with_output().unwrap()
        });
        let ran = Ran::of(ended.await.unwrap());
        for secret in SECRETS {
            let shown = ran.out.contains(secret) || ran.err.contains(secret);
            // The URL of an object storage has its url_key in it.
            let may = arguments.first() == Some(&"sign") && secret == SECRETS[3];
            assert!(!shown || may, "{secret}: {ran:?}");
        }
        ran
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Makes an object as old as this.
    fn age(&self, bucket: &str, key: &str, age: Duration) {
        let mut object = Object::clone(&self.store.get(bucket, key).unwrap());
        object.last_modified = SystemTime::now() - age;
        self.store.put_object(bucket, key, object);
    }

    /// An object of the origin that is some hours old.
    fn put(&self, key: &str, body: impl Into<bytes::Bytes>) {
        self.store.put("origin", key, body);
        self.age("origin", key, 10 * HOUR);
    }

    fn bodies(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let keys = self.store.keys(bucket).into_iter();
        keys.map(|key| (key.clone(), self.store.get(bucket, &key).unwrap().body()))
            .collect()
    }

    /// What the function with these settings answers.
    async fn asked(&self, request: Request<Body>) -> Answer {
        let known = self.variables.clone();
        let [s3, aws] =
            ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].map(|name| &self.variables[name]);
        let function = function(move |name| known.get(name).cloned(), s3, aws);
        send(function.await, request).await
    }

    /// A delivery that tells of an object of the origin; returns its id.
    async fn told_of(&self, key: &str) -> String {
        let bucket = json!({"name": "origin", "ownerIdentity": {"principalId": "mcs1"}});
        let record = json!({"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": bucket, "object": {"key": key}}});
        let body = json!({"Records": [record]}).to_string();
        let request = Request::post(format!("/hooks/vk/{}", SECRETS[3]));
        let answer = self.asked(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["delivery"].as_str().unwrap().to_owned()
    }

    /// Everything of the origin is mirrored, and looks some hours old.
    async fn mirrored(&self) {
        let ran = self.run(&["backfill", "vk", "origin"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for key in self.store.keys("origin") {
            self.age("backup", &key, 5 * HOUR);
        }
    }
}
