//! `hookctl tail` shows what comes and what becomes of it, until it is interrupted.

use super::{Ran, SECRETS, Site};
use axum::body::Body;
use futures_util::future::join_all;
use hookwork::domain::delivery::DeliveryId;
use hookwork::domain::inbox::{FOLDER, Kept, group};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use uuid::Uuid;

/// How long a line may take: it looks each second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `hookctl tail` that runs, and what it prints.
struct Tail {
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Tail {
    fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut child = site.start(arguments);
        let (out, lines) = unbounded_channel();
        let printed = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in printed.lines().map_while(Result::ok) {
                if out.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.recv()).await;
        line.expect("a line in time").expect("it still runs")
    }

    async fn row(&mut self) -> Value {
        let line = self.line().await;
        for secret in SECRETS {
            assert!(!line.contains(secret), "{line}");
        }
        serde_json::from_str(&line).unwrap()
    }

    /// Ends it as Ctrl-C does.
    async fn interrupted(mut self) -> Ran {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.unwrap().success());
        // What it still has to say comes before the end of its output.
        let mut out = String::new();
        while let Some(line) = timeout(PATIENCE, self.lines.recv()).await.expect("it ends") {
            out.push_str(&line);
            out.push('\n');
        }
        let code = self.child.wait().unwrap().code();
        let mut err = String::new();
        let errors = self.child.stderr.as_mut().unwrap();
        errors.read_to_string(&mut err).unwrap();
        Ran { code, out, err }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn shows_a_delivery_when_it_comes_and_again_when_more_becomes_of_it() {
    let site = Site::new(json!({}), true).await;
    site.put("a", "1");
    let before = site.told_of("a").await;
    let mut tail = Tail::start(&site, &["tail", "--json"]);
    assert_eq!(tail.row().await["id"], *before, "what is there already");

    let id = site.told_of("a").await;
    let mut row = tail.row().await;
    // It may be seen before its work is over.
    if row["state"] == "pending" {
        row = tail.row().await;
    }
    assert_eq!((&row["id"], &row["state"]), (&json!(id), &json!("done")));
    assert_eq!(row["duplicate_of"], *before);
    assert_eq!(row["attempts"][0]["outcome"], "unchanged");

    let ran = site.run(&["replay", &id]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let row = tail.row().await;
    assert_eq!(row["id"], *id);
    let by: Vec<_> = row["attempts"].as_array().unwrap().iter().collect();
    assert_eq!((by.len(), &by[1]["by"]), (2, &json!("replay")));

    let forged = http::Request::post("/hooks/intdash").body(Body::from("{}"));
    assert_eq!(site.asked(forged.unwrap()).await.status, 401);
    let row = tail.row().await;
    assert_eq!(
        (&row["source"], &row["verdict"]),
        (&json!("intdash"), &json!("unauthentic"))
    );
    let ran = tail.interrupted().await;
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(0), "", "")
    );
}

#[tokio::test]
async fn begins_with_the_last_ones_of_what_is_wanted_and_obeys_no_control_character() {
    let site = Site::new(json!({}), true).await;
    let forged = http::Request::post("/hooks/intdash").body(Body::from("{}"));
    let hostile = "b\u{1b}[2J\u{202e}";
    for key in ["a", hostile] {
        site.put(key, "1");
        site.told_of(key).await;
    }
    assert_eq!(site.asked(forged.unwrap()).await.status, 401);
    let arguments = ["tail", "--source", "vk", "--status", "done", "--last", "1"];
    let mut tail = Tail::start(&site, &arguments);
    assert!(tail.line().await.contains("last attempt"), "the columns");
    let line = tail.line().await;
    assert!(line.contains(" vk        done       copied "), "{line}");
    assert!(line.ends_with("b\\u{1b}[2J\\u{202e}"), "{line}");
    let ran = tail.interrupted().await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn ends_well_however_early_it_is_interrupted() {
    let site = Site::new(json!({}), true).await;
    let ended = async || {
        let mut tail = Tail::start(&site, &["tail"]);
        tail.line().await;
        tail.interrupted().await.code
    };
    // Side by side, so that they are slow to begin.
    for _ in 0..8 {
        let codes = join_all((0..8).map(|_| ended())).await;
        assert_eq!(codes, [Some(0); 8]);
    }
}

#[tokio::test]
async fn shows_what_is_there_once_and_warns_of_a_source_that_there_is_not() {
    let site = Site::new(json!({}), true).await;
    for key in ["a", "b", "c"] {
        site.put(key, "1");
        site.told_of(key).await;
    }
    let ran = site.run(&["tail", "--once", "--last", "2", "--json"]).await;
    let rows: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let titles: Vec<_> = rows.iter().map(|row| row["title"].clone()).collect();
    assert_eq!((ran.code, titles), (Some(0), vec![json!("b"), json!("c")]));
    assert_eq!(ran.err, "");
    // Far behind what one look at the list goes through.
    let refused = http::Request::post("/hooks/intdash").body(Body::from("{}"));
    let refused = site.asked(refused.unwrap()).await.json()["delivery"].clone();
    for _ in 0..9_000 {
        let place = format!("{}/0.accepted.vk.1.0..", group(DeliveryId(Uuid::now_v7())));
        assert!(Kept::of_name(&place).is_some(), "{place}");
        site.store.put("state", &format!("{FOLDER}{place}"), "");
    }
    let ran = site
        .run(&["tail", "--once", "--status", "unauthentic", "--json"])
        .await;
    let row: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &row["id"]), (Some(0), &refused));
    let ran = site
        .run(&["tail", "--once", "--source", "vkk", "--json"])
        .await;
    assert_eq!((ran.code, &*ran.out), (Some(0), ""));
    assert!(
        ran.err.contains("the settings have no source vkk"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn needs_a_state_bucket_that_answers() {
    let mut site = Site::new(json!({}), false).await;
    let ran = site.run(&["tail"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("there is no STATE_BUCKET"), "{ran:?}");
    site.set("STATE_BUCKET", "nowhere");
    let ran = site.run(&["tail"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("ListObjectsV2 of nowhere/"), "{ran:?}");
}
