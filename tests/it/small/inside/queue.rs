//! The way through the queue: batches, continuations, dead letters and their return.

use super::{bodies, bounded, small, text};
use crate::events::dispatched;
use crate::queue::clock::Clocked;
use crate::queue::event;
use crate::world::{app, bytes, created, delivery, far_sides, secrets, send, variables, vk};
use axum::body::Body;
use hookwork::app::App;
use hookwork::twin::faults::{Fault, Faults, On};
use hookwork::twin::s3::Store;
use http::Request;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// By the clock of the queue.
const DAY: u64 = 24 * 3600;

/// A function that receives and works, with a queue in between.
struct Line {
    clock: Clocked,
    store: Store,
    faults: Faults,
    app: Arc<App>,
    jobs: String,
    letters: String,
}

/// Each is one job, however it is read.
fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:03}")).collect()
}

impl Line {
    async fn new() -> Self {
        let clock = Clocked::start().await;
        let (jobs, letters) = (clock.queue("jobs"), clock.queue("letters"));
        let (store, faults, _, _, [s3_url, ..]) = far_sides().await;
        let sources = json!({"vk": vk(&s3_url, json!({}))});
        let known = variables(&sources, &secrets(), "backup", Some("state"));
        let setting = |key: &str| match key {
            "QUEUE_URL" => Some(jobs.clone()),
            "DEAD_LETTERS_URL" => Some(letters.clone()),
            key => known(key),
        };
        let app = app(setting, &s3_url, &clock.url).await;
        Self {
            clock,
            store,
            faults,
            app,
            jobs,
            letters,
        }
    }

    async fn deliver(&self, keys: &[String]) {
        for some in keys.chunks(small("delivery.records")) {
            let body = Body::from(delivery(some.iter().map(|key| created(key))));
            let request = Request::post("/hooks/vk").body(body).unwrap();
            let answer = send(hookwork::http::router(self.app.clone()), request).await;
            assert_eq!(answer.json()["queued"], some.len(), "{answer:?}");
        }
    }

    /// Works until the queue is empty, or its clock has come to this.
    async fn work(&self, until: u64) {
        while self.clock.pass_to_next(&self.jobs, until) {
            let messages = self.clock.batch(&self.jobs);
            let answer = dispatched(&self.app, &event(&messages)).await;
            let failed = answer["batchItemFailures"].as_array().unwrap();
            let failed: BTreeSet<_> = failed
                .iter()
                .map(|failure| text(&failure["itemIdentifier"]))
                .collect();
            for message in &messages {
                if !failed.contains(&text(&message["MessageId"])) {
                    self.clock.remove(&self.jobs, message);
                }
            }
        }
    }

    fn left(&self) -> [usize; 2] {
        [&self.jobs, &self.letters].map(|queue| self.clock.all(queue).len())
    }

    fn rests(&self) {
        assert_eq!(bodies(&self.store, "backup"), bodies(&self.store, "origin"));
        assert_eq!(
            (self.left(), self.store.open_uploads("backup")),
            ([0, 0], 0)
        );
    }
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn jobs_that_failed_again_and_again_are_done() {
    bounded(async {
        let line = Line::new().await;
        let keys = keys(12);
        for key in &keys {
            line.store.put("origin", key, format!("of {key}"));
        }
        line.deliver(&keys).await;
        assert_eq!(line.left(), [12, 0]);
        let denied = Fault::Status(403, "AccessDenied");
        line.faults.inject(On::every().bucket("origin"), denied);
        line.work(200).await;
        assert_eq!(line.left(), [12, 0], "they come again");
        line.faults.clear();
        // Half of them had been given up for something that was down.
        assert!(line.clock.pass_to_next(&line.jobs, DAY));
        let given_up = line.clock.batch(&line.jobs);
        for message in &given_up[..6] {
            let body = text(&message["Body"]);
            let said = |word: &str| json!({"DataType": "String", "StringValue": word});
            let said = json!({"reason": said("it was down"), "remote": said("origin")});
            line.clock.put(&line.letters, &body, said);
            line.clock.remove(&line.jobs, message);
        }
        line.work(DAY).await;
        assert_eq!(line.left(), [0, 6]);
        let tick = json!({"hookwork": "redrive"});
        for nth in 1.. {
            let ticked = dispatched(&line.app, &tick).await;
            let back = usize::try_from(ticked["count"].as_u64().unwrap()).unwrap();
            assert!(back > 0 && nth <= 6, "each tick sends some back: {ticked}");
            line.work(2 * DAY).await;
            if line.left() == [0, 0] {
                break;
            }
        }
        line.rests();
    })
    .await;
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn an_audit_and_a_giant_go_on_through_the_queue_until_they_are_through() {
    bounded(async {
        let line = Line::new().await;
        let keys = keys(25);
        for key in &keys {
            line.store.put("origin", key, format!("of {key}"));
            super::age(&line.store, "origin", key, super::HOUR);
        }
        let parts = small("parts.count");
        line.store
            .put("origin", "giant", bytes(parts * small("parts.size")));
        super::age(&line.store, "origin", "giant", super::HOUR);
        let ticked = dispatched(&line.app, &json!({"hookwork": "audit"})).await;
        assert_eq!(ticked, json!({"count": 1}));
        line.work(DAY).await;
        line.rests();
        assert_eq!(line.store.keys("backup").len(), 26);
    })
    .await;
}
