//! The first TLS handshake of a process is cheap.
//!
//! aws-lc, built as it comes, gathers the processor's jitter for its first random bytes: 30 to 50 ms of a whole core, half
//! a second at the share of one that a small function has. A build variable in .cargo/config.toml turns that off, and
//! nothing else would show that it got lost.

use hookwork::clients::Aws;
use hookwork::domain::event::MeasurementRef;
use hookwork::domain::signature::Secret;
use std::process::Command;
use std::time::Duration;

use crate::servers::Tls;

/// In the process that is measured: where the server is.
const URL: &str = "HOOKWORK_FIRST_HANDSHAKE";
/// Unoptimised code with room to spare takes a third of it; the jitter three times as much.
const LIMIT: Duration = Duration::from_millis(10);

#[test]
fn the_first_handshake_costs_little() {
    if let Ok(url) = std::env::var(URL) {
        return println!("{URL}={}", first_handshake(&url).as_nanos());
    }
    if thread_times().is_none() {
        return eprintln!("not checked: this system does not tell threads' times");
    }
    let server = Tls::start();
    // The least of three: a neighbour on the machine cannot make it less.
    let least = (0..3).map(|_| in_a_process_of_its_own(&server)).min();
    let least = least.expect("three runs");
    assert!(
        least < LIMIT,
        "the first TLS handshake of a process takes {least:?} of CPU: is AWS_LC_SYS_NO_JITTER_ENTROPY set when aws-lc-sys is built?"
    );
}

/// This test once more, in a new process, where it only shakes hands.
fn in_a_process_of_its_own(server: &Tls) -> Duration {
    let this = std::env::current_exe().expect("a test knows its program");
    let done = Command::new(this)
        .args([
            "--exact",
            "entropy::the_first_handshake_costs_little",
            "--nocapture",
        ])
        .env(URL, &server.url)
        // One root certificate: reading a system's hundreds is not what is measured.
        .env("SSL_CERT_FILE", &server.ca)
        .env_remove("SSL_CERT_DIR")
        .output()
        .expect("a test runs");
    let text = String::from_utf8_lossy(&done.stdout);
    let nanos = text
        .lines()
        .find_map(|line| line.split_once(&format!("{URL}="))?.1.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_else(|| {
        panic!(
            "no measurement: {text}{}",
            String::from_utf8_lossy(&done.stderr)
        )
    }))
}

/// What a request over TLS costs this process, the first of its life. The client is there already, as after Init.
fn first_handshake(url: &str) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let aws = Aws::local(url, url).await;
        let server = aws.intdash(url);
        let measurement = MeasurementRef {
            source: "intdash".to_owned(),
            project: "0".to_owned(),
            measurement: "0".to_owned(),
            occurrence: None,
        };
        let settings = serde_json::json!({"url": url});
        let settings = serde_json::from_value(settings).expect("settings are right");
        let before = thread_times().expect("the parent has looked");
        let answer = server
            .points(&measurement, &settings, &Secret::new("token"), |_| {})
            .await;
        let after = thread_times().expect("the parent has looked");
        // An answer through TLS, and not a failure to get one.
        let answer = answer.expect_err("the server has nothing").to_string();
        assert!(answer.contains("404"), "{answer}");
        after - before
    })
}

/// The CPU time of this process: Linux tells it by the thread.
fn thread_times() -> Option<Duration> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    tasks
        .map(|task| {
            let times = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            times.split(' ').next()?.parse::<u64>().ok()
        })
        .sum::<Option<u64>>()
        .map(Duration::from_nanos)
}
