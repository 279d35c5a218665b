//! A remote service is down, for minutes or for a day of the queue's own clock: no job is lost, and what was given up comes
//! back by itself.

use super::clock::Clocked;
use super::event;
use crate::events::{dispatched, dispatched_within};
use crate::world::{
    TOKEN, TOPIC, app, created, delivery, far_sides, finished, send, variables, vk,
};
use axum::body::Body;
use hookwork::app::App;
use hookwork::domain::inbox::{FOLDER, rows};
use hookwork::twin::faults::{Fault, Faults, On};
use hookwork::twin::intdash::{Intdash, SAMPLE_MEASUREMENT};
use hookwork::twin::s3::Store;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A function that receives, works and looks through its dead letters, and its remote services.
struct Site {
    clock: Clocked,
    store: Store,
    faults: Faults,
    intdash: Intdash,
    app: Arc<App>,
    jobs: String,
    letters: String,
}

impl Site {
    async fn new() -> Self {
        let clock = Clocked::start().await;
        let (jobs, letters) = (clock.queue("jobs"), clock.queue("letters"));
        let (store, faults, _, intdash, [s3_url, _, intdash_url]) = far_sides().await;
        let sources = json!({
            "vk": vk(&s3_url, json!({})), "intdash": {"kind": "intdash", "url": intdash_url},
            "ci": {"kind": "generic", "verify": "gitlab"},
        });
        let secrets = json!({
            "vk": {"access_key_id": "local", "secret_access_key": "local"},
            "intdash": {"secrets": [crate::world::SECRET], "api_token": TOKEN}, "ci": {"secrets": ["token"]},
        });
        let known = variables(&sources, &secrets, "backup", Some("state"));
        let setting = |key: &str| match key {
            "QUEUE_URL" => Some(jobs.clone()),
            "DEAD_LETTERS_URL" => Some(letters.clone()),
            key => known(key),
        };
        assert_eq!(setting("SNS_TOPIC_ARN").as_deref(), Some(TOPIC));
        let app = app(setting, &s3_url, &clock.url).await;
        Self {
            clock,
            store,
            faults,
            intdash,
            app,
            jobs,
            letters,
        }
    }

    async fn deliver(&self, request: Request<Body>) {
        let answer = send(hookwork::http::router(self.app.clone()), request).await;
        assert_eq!((answer.status, &answer.json()["queued"]), (200, &json!(1)));
    }

    async fn change(&self, key: &str) {
        self.store.put("origin", key, key.to_owned());
        let body = Body::from(delivery([created(key)]));
        let request = Request::post("/hooks/vk").body(body);
        self.deliver(request.unwrap()).await;
    }

    async fn push(&self) {
        let request = Request::post("/hooks/ci").header("X-Gitlab-Token", "token");
        let request = request.header("Idempotency-Key", "k1").body("{}".into());
        self.deliver(request.unwrap()).await;
    }

    async fn finish(&self) {
        let request = finished(SAMPLE_MEASUREMENT, crate::world::SECRET);
        self.deliver(request).await;
    }

    /// Works on whatever the queue hands over, until this time of its clock.
    async fn work_until(&self, until: u64) {
        while self.clock.pass_to_next(&self.jobs, until) {
            let messages = self.clock.batch(&self.jobs);
            let answer = dispatched(&self.app, &event(&messages)).await;
            let failed = answer["batchItemFailures"].as_array().unwrap();
            let failed: BTreeSet<_> = failed
                .iter()
                .map(|failure| failure["itemIdentifier"].as_str().unwrap())
                .collect();
            for message in &messages {
                if !failed.contains(message["MessageId"].as_str().unwrap()) {
                    self.clock.remove(&self.jobs, message);
                }
            }
        }
    }

    async fn tick(&self) -> Value {
        dispatched(&self.app, &json!({"hookwork": "redrive"})).await
    }

    fn dead(&self) -> Vec<(String, Value)> {
        self.clock.all(&self.letters)
    }

    fn left(&self) -> [usize; 2] {
        [&self.jobs, &self.letters].map(|queue| self.clock.all(queue).len())
    }

    fn origin_is(&self, fault: Option<Fault>) {
        self.faults.clear();
        if let Some(fault) = fault {
            self.faults.inject(On::every().bucket("origin"), fault);
        }
    }
}

fn down() -> Fault {
    Fault::Status(503, "ServiceUnavailable")
}

#[tokio::test]
async fn an_origin_that_is_down_for_twenty_minutes_makes_no_dead_letter() {
    for fault in [down(), Fault::Drop, Fault::Status(429, "Whatever")] {
        let site = Site::new().await;
        site.origin_is(Some(fault));
        for key in ["a", "b"] {
            site.change(key).await;
        }
        site.work_until(20 * MINUTE).await;
        assert!(site.dead().is_empty(), "{:?}", site.dead());
        site.origin_is(None);
        site.work_until(2 * HOUR).await;
        assert_eq!(site.left(), [0, 0]);
        assert!(
            ["a", "b"]
                .iter()
                .all(|key| site.store.get("backup", key).is_some())
        );
    }
}

#[tokio::test]
async fn after_a_day_all_of_it_comes_back_by_itself() {
    let site = Site::new().await;
    site.origin_is(Some(down()));
    site.clock.topic_is_down(true);
    site.intdash
        .refuse_next(10_000, StatusCode::SERVICE_UNAVAILABLE);
    site.change("a").await;
    site.push().await;
    site.finish().await;
    site.work_until(12 * HOUR - MINUTE).await;
    assert_eq!(site.left(), [3, 0], "all are tried for twelve hours");
    site.work_until(24 * HOUR).await;
    assert_eq!(site.left(), [0, 3], "{:?}", site.dead());
    let mut remotes: Vec<_> = site
        .dead()
        .iter()
        .map(|(_, of)| of["remote"]["StringValue"].as_str().unwrap().to_owned())
        .collect();
    remotes.sort();
    assert_eq!(remotes, ["intdash", "origin", "topic"]);
    assert_eq!(site.tick().await, json!({"count": 0}), "all are down yet");
    assert_eq!(site.left(), [0, 3]);
    assert_eq!(site.clock.published(), 0);

    site.origin_is(None);
    assert_eq!(site.tick().await, json!({"count": 1}), "the origin answers");
    site.work_until(site.clock.now() + 1).await;
    assert_eq!(site.left(), [0, 2]);
    assert!(site.store.get("backup", "a").is_some());

    site.clock.topic_is_down(false);
    site.intdash.refuse_no_more();
    assert_eq!(site.tick().await, json!({"count": 2}));
    site.work_until(site.clock.now() + 1).await;
    assert_eq!(site.left(), [0, 0]);
    assert_eq!(site.clock.published(), 2, "each once");
    let files = site.store.keys("state");
    let states: Vec<_> = rows(files.iter().filter_map(|place| place.strip_prefix(FOLDER)))
        .iter()
        .map(|row| row.state().word())
        .collect();
    assert_eq!(states, ["done"; 3], "the inbox knows it");
}

#[tokio::test]
async fn the_daily_tick_brings_them_back_too_and_a_down_backup_is_known() {
    let site = Site::new().await;
    site.change("a").await;
    site.faults.inject(On::every().bucket("backup"), down());
    site.work_until(14 * HOUR).await;
    assert_eq!(site.dead()[0].1["remote"]["StringValue"], "backup");
    assert_eq!(site.tick().await, json!({"count": 0}));
    site.faults.clear();
    let audit = dispatched(&site.app, &json!({"hookwork": "audit"})).await;
    assert_eq!(audit, json!({"count": 1}), "audits are counted");
    site.work_until(site.clock.now() + 1).await;
    assert_eq!(site.left(), [0, 0]);
    assert!(site.store.get("backup", "a").is_some());
}

#[tokio::test]
async fn what_is_broken_is_given_up_as_ever_and_stays() {
    let site = Site::new().await;
    site.change("a").await;
    site.origin_is(Some(Fault::Status(403, "AccessDenied")));
    site.work_until(HOUR).await;
    assert_eq!(site.left(), [0, 1]);
    let (_, attributes) = &site.dead()[0];
    assert!(attributes["remote"].is_null(), "{attributes}");
    site.origin_is(None);
    assert_eq!(
        site.tick().await,
        json!({"count": 0}),
        "an operator decides"
    );
    assert_eq!(site.left(), [0, 1]);
}

#[tokio::test]
async fn a_letter_goes_only_when_the_queue_has_its_job() {
    let site = Site::new().await;
    let job = |key: &str| {
        let work = json!({"mirror": {"source": "vk", "origin": "mcs1/origin", "key": key}});
        json!({"version": 1, "delivery": "00000000-0000-0000-0000-000000000007", "work": work})
            .to_string()
    };
    let waits_for = |remote: &str, returns: &str| {
        let text = |text: &str| json!({"DataType": "String", "StringValue": text});
        json!({"reason": text("was down"), "remote": text(remote), "returns": text(returns)})
    };
    for number in 0..25 {
        let key = format!("k{number}");
        site.clock
            .put(&site.letters, &job(&key), waits_for("origin", "0"));
    }
    // Those of an operator: without a service, of one that there is not, unreadable, and after many returns.
    let stay = [
        (job("x"), json!({})),
        (job("x"), waits_for("moon", "0")),
        ("no job".to_owned(), waits_for("origin", "0")),
        (job("x"), waits_for("origin", "20")),
    ];
    for (body, attributes) in &stay {
        site.clock.put(&site.letters, body, attributes.clone());
    }
    // Nothing is removed where the queue takes nothing.
    site.clock.fail("SendMessage", usize::MAX);
    dispatched_within_fails(&site).await;
    assert_eq!(site.left(), [0, 29]);
    // Of one that cannot be removed there are two, and none is lost.
    site.clock.fail("SendMessage", 0);
    site.clock.fail("DeleteMessage", 1);
    dispatched_within_fails(&site).await;
    assert_eq!(site.left(), [25, 5]);
    assert_eq!(site.tick().await, json!({"count": 1}));
    assert_eq!(site.left(), [26, 4]);
    // Whoever looks for them finds them at once.
    assert_eq!(site.clock.batch(&site.letters).len(), 4);
    let jobs = site.clock.all(&site.jobs);
    let keys: BTreeSet<_> = jobs.iter().map(|(body, _)| body).collect();
    assert_eq!(keys.len(), 25);
    assert!(
        jobs.iter()
            .all(|(_, of)| of["returns"]["StringValue"] == "1")
    );
}

/// A tick that could not do all of its work fails, and says so.
async fn dispatched_within_fails(site: &Site) {
    let told = crate::events::refused(&site.app, &json!({"hookwork": "redrive"})).await;
    assert!(
        told.contains("dead letters are back in the queue, then: "),
        "{told}"
    );
}

#[tokio::test]
async fn a_job_remembers_how_often_it_came_back() {
    let site = Site::new().await;
    site.change("a").await;
    site.origin_is(Some(down()));
    site.work_until(14 * HOUR).await;
    assert_eq!(site.dead()[0].1["returns"]["StringValue"], "0");
    site.origin_is(None);
    assert_eq!(site.tick().await, json!({"count": 1}));
    site.origin_is(Some(down()));
    site.work_until(site.clock.now() + 14 * HOUR).await;
    assert_eq!(site.dead()[0].1["returns"]["StringValue"], "1");
}

#[tokio::test]
async fn jobs_of_a_source_are_a_group_and_a_queue_without_groups_takes_them_all_the_same() {
    let site = Site::new().await;
    site.change("a").await;
    site.push().await;
    let groups = site.clock.groups(&site.jobs);
    assert_eq!(groups, [Some("vk".to_owned()), Some("ci".to_owned())]);

    let site = Site::new().await;
    site.clock.refuse_groups();
    site.change("a").await;
    site.push().await;
    assert_eq!(site.clock.groups(&site.jobs), [None, None]);
    assert_eq!(site.clock.count("SendMessageBatch"), 3, "it is asked once");
}

#[tokio::test]
async fn secrets_that_cannot_be_read_are_waited_for() {
    let site = Site::new().await;
    site.change("a").await;
    // A worker whose Secrets Manager does not answer.
    let clock = site.clock.clone();
    let (jobs, letters) = (site.jobs.clone(), site.letters.clone());
    let (_, _, _, _, [s3_url, ..]) = far_sides().await;
    let sources = json!({"vk": vk(&s3_url, json!({}))}).to_string();
    let setting = |key: &str| match key {
        "SOURCES" => Some(sources.clone()),
        "SECRETS_ARN" => Some("secret".to_owned()),
        "BACKUP_BUCKET" => Some("backup".to_owned()),
        "QUEUE_URL" => Some(jobs.clone()),
        "DEAD_LETTERS_URL" => Some(letters.clone()),
        _ => None,
    };
    let worker = app(setting, &s3_url, "http://127.0.0.1:9").await;
    let mut messages = clock.batch(&site.jobs);
    for receives in ["1", "17"] {
        messages[0]["Attributes"]["ApproximateReceiveCount"] = json!(receives);
        let batch = event(&messages);
        let answer = dispatched_within(&worker, &batch, Duration::from_secs(60)).await;
        let failed = answer["batchItemFailures"].as_array().unwrap().len();
        assert_eq!(failed, 1, "{receives}: {answer}");
    }
    assert!(site.dead().is_empty());
}
