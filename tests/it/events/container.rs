//! Every file of `events/` by `sam local invoke`. `make e2e-local` sees to the build, the container engine and the image.

use super::Side;
use crate::servers::scratch;
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// `BRIDGE` is where containers see this machine.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine: make e2e-local"]
async fn every_file_is_answered_in_a_container() {
    let side = Side::on(&std::env::var("BRIDGE").unwrap()).await;
    let environment = json!({"Parameters": side.settings()}).to_string();
    let folder = scratch("container");
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let environment = file("env.json", environment);
    let invoke = |event: Value| {
        let event = file("event.json", event.to_string());
        let mut sam = Command::new("sam");
        sam.args(["local", "invoke", "Receiver", "--skip-pull-image"])
            .arg("--event")
            .arg(event)
            .arg("--env-vars")
            .arg(&environment)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .stdin(Stdio::null());
        let done = sam.output().unwrap();
        let log = String::from_utf8_lossy(&done.stderr);
        serde_json::from_slice::<Value>(&done.stdout).unwrap_or_else(|_| panic!("{log}"))
    };
    side.run(async |event| tokio::task::block_in_place(|| invoke(event)))
        .await;
}
