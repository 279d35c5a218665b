//! That the servers start and answer at all; SeaweedFS is shown by the conformance checks.
//! It must never test what the servers do with a request.

use super::{Emulator, Moto, installed, scratch, status};

#[test]
fn moto_answers() {
    let moto = Moto::start();
    let port = moto
        .endpoint
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    assert_eq!(
        status(port, "GET", "/moto-api/data.json", "").map(|(status, _)| status),
        Some(200)
    );
}

#[test]
fn the_emulator_runs_a_bootstrap() {
    let bootstrap = scratch("bootstrap").join("bootstrap");
    let echo = r#"
import os, urllib.request as http
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    event = http.urlopen(api + "next")
    body = b'{"event":' + event.read() + b',"mark":"' + os.environ["MARK"].encode() + b'"}'
    http.urlopen(api + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", body)
"#;
    std::fs::write(
        &bootstrap,
        format!("#!{}\n{echo}", installed("python").display()),
    )
    .expect("a script");
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&bootstrap, all).expect("an executable script");
    let emulator = Emulator::start(&bootstrap, &[("MARK", "here".to_owned())]);
    for number in 0..2 {
        let event = serde_json::json!({ "number": number });
        assert_eq!(
            emulator.invoke(&event),
            serde_json::json!({ "event": event, "mark": "here" })
        );
    }
}
