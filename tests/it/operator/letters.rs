//! `hookctl dead-letters` against moto's SQS: what is looked at stays, what is put back is in the queue before it goes.

use super::Site;
use crate::moto::{call, moto};
use crate::servers::unique;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use hookwork::domain::delivery::DeliveryId;
use hookwork::domain::event::ObjectRef;
use hookwork::domain::job::Job;
use serde_json::{Value, json};

struct Queues {
    site: Site,
    jobs: String,
    letters: String,
}

impl Queues {
    async fn new() -> Self {
        let mut site = Site::new(json!({}), false).await;
        let base = moto().await.endpoint.clone();
        let [jobs, letters] = [unique("jobs"), unique("letters")];
        let mut urls = Vec::new();
        for name in [&jobs, &letters] {
            let made = call("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": name})).await;
            urls.push(made["QueueUrl"].as_str().unwrap().to_owned());
        }
        site.set("AWS_ENDPOINT_URL", &base);
        site.set("QUEUE_URL", &urls[0]);
        site.set("DEAD_LETTERS_URL", &urls[1]);
        let [jobs, letters] = [urls.remove(0), urls.remove(0)];
        Self {
            site,
            jobs,
            letters,
        }
    }

    async fn bury(&self, body: &str, reason: Option<&str>) {
        let mut message = json!({"QueueUrl": self.letters, "MessageBody": body});
        if let Some(reason) = reason {
            message["MessageAttributes"] =
                json!({"reason": {"DataType": "String", "StringValue": reason}});
        }
        call("sqs", "AmazonSQS.SendMessage", message).await;
    }

    async fn count(&self, queue: &str, which: &str) -> Value {
        let asked = json!({"QueueUrl": queue, "AttributeNames": ["All"]});
        let answer = call("sqs", "AmazonSQS.GetQueueAttributes", asked).await;
        answer["Attributes"][which].clone()
    }

    /// Jobs that wait, dead letters that wait, and dead letters that are hidden.
    async fn counts(&self) -> [Value; 3] {
        [
            self.count(&self.jobs, "ApproximateNumberOfMessages").await,
            self.count(&self.letters, "ApproximateNumberOfMessages")
                .await,
            self.count(&self.letters, "ApproximateNumberOfMessagesNotVisible")
                .await,
        ]
    }
}

fn job(key: &str) -> String {
    let object = ObjectRef {
        source: "vk".to_owned(),
        origin: "mcs1/origin".to_owned(),
        key: key.to_owned(),
    };
    Job::Mirror(object).to_json(DeliveryId(uuid::Uuid::nil()))
}

#[tokio::test]
async fn a_look_leaves_them_visible() {
    let queues = Queues::new().await;
    let empty = queues.site.run(&["dead-letters", "list"]).await;
    assert_eq!(
        (empty.code, empty.out.as_str()),
        (Some(0), "There are no dead letters.\n"),
        "{empty:?}"
    );
    for number in 0..25 {
        queues
            .bury(
                &job(&format!("key-{number}")),
                Some("5 attempts, the last: backup: it is away"),
            )
            .await;
    }
    queues.bury("{\"version\":9}", None).await;
    let ran = queues.site.run(&["dead-letters", "list"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for expected in [
        "mirror vk/mcs1/origin/key-24",
        "received 1 times",
        "5 attempts, the last",
        "unreadable",
        "26 dead letters\n",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {ran:?}");
    }
    assert_eq!(queues.counts().await, ["0", "26", "0"]);

    let json = queues
        .site
        .run(&["dead-letters", "list", "--json"])
        .await
        .last();
    let letters = json["dead_letters"].as_array().unwrap();
    assert_eq!((letters.len(), &json["all"]), (26, &json!(true)));
    let id = letters[7]["id"].as_str().unwrap();
    let shown = queues.site.run(&["dead-letters", "show", id]).await;
    assert!(
        shown.code == Some(0) && shown.out.contains("\"key\":\"key-"),
        "{shown:?}"
    );
    let none = queues.site.run(&["dead-letters", "show", "nobody"]).await;
    assert!(
        none.code == Some(2) && none.err.contains("no dead letter nobody"),
        "{none:?}"
    );
    assert_eq!(queues.counts().await, ["0", "26", "0"]);
}

#[tokio::test]
async fn what_is_put_back_is_in_the_queue_as_it_was() {
    let queues = Queues::new().await;
    for number in 0..12 {
        queues.bury(&job(&format!("{number}")), None).await;
    }
    queues.bury("no job", None).await;
    let listed = queues
        .site
        .run(&["dead-letters", "list", "--json"])
        .await
        .last();
    let of_key = |key: &str| {
        let letters = listed["dead_letters"].as_array().unwrap().iter();
        let found = letters.clone().find(|letter| letter["key"] == key);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let one = queues
        .site
        .run(&["dead-letters", "redrive", &of_key("3"), "nobody"])
        .await;
    assert_eq!(one.code, Some(1), "{one:?}");
    assert!(one.out.contains("not found nobody"), "{one:?}");
    assert_eq!(queues.counts().await, ["1", "12", "0"]);
    let asked = json!({"QueueUrl": queues.jobs, "MaxNumberOfMessages": 1, "MessageAttributeNames": ["All"]});
    let received = call("sqs", "AmazonSQS.ReceiveMessage", asked).await;
    let received = &received["Messages"][0];
    assert_eq!(received["Body"], job("3"));
    // By this the worker knows that it was tried before.
    let reason = &received["MessageAttributes"]["reason"]["StringValue"];
    assert_eq!(reason, "received too often");

    let all = queues.site.run(&["dead-letters", "redrive", "--all"]).await;
    assert_eq!(all.code, Some(1), "one cannot be read: {all:?}");
    assert!(all.out.contains("11 redriven, 1 left"), "{all:?}");
    assert_eq!(queues.counts().await, ["11", "1", "0"]);
    assert_eq!(
        queues.site.run(&["dead-letters", "redrive"]).await.code,
        Some(2),
        "which?"
    );
}

#[tokio::test]
async fn where_the_queue_does_not_take_them_they_stay() {
    let mut queues = Queues::new().await;
    queues.bury(&job("a"), None).await;
    let nowhere = format!("{}-nowhere", queues.jobs);
    queues.site.set("QUEUE_URL", &nowhere);
    let ran = queues.site.run(&["dead-letters", "redrive", "--all"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("0 redriven, 1 left"), "{ran:?}");
    assert_eq!(queues.counts().await, ["0", "1", "0"]);
}

#[tokio::test]
async fn killed_in_between_nothing_is_lost() {
    let queues = Queues::new().await;
    for number in 0..60 {
        queues.bury(&job(&format!("{number}")), None).await;
    }
    let mut run = queues.site.start(&["dead-letters", "redrive", "--all"]);
    while queues.counts().await[0] == "0" {
        assert!(run.try_wait().unwrap().is_none(), "it ended too soon");
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let counts = queues.counts().await;
    let [jobs, waiting, hidden] =
        counts.map(|count| count.as_str().unwrap().parse::<u32>().unwrap());
    assert!(jobs + waiting + hidden >= 60, "{jobs} {waiting} {hidden}");
}

/// Moto as it is to somebody who may not do this.
async fn denying(denied: &'static [&'static str]) -> String {
    let base = moto().await.endpoint.clone();
    let forward = async move |headers: HeaderMap, body: Bytes| {
        let target = headers["x-amz-target"].to_str().unwrap();
        if denied.iter().any(|operation| target.ends_with(operation)) {
            let no = json!({"__type": "com.amazon.coral.service#AccessDeniedException", "message": "no"});
            return (StatusCode::BAD_REQUEST, no.to_string());
        }
        let mut request = reqwest::Client::new().post(&base).body(body);
        for name in [
            "authorization",
            "x-amz-target",
            "content-type",
            "x-amz-date",
        ] {
            request = request.header(name, headers[name].to_str().unwrap());
        }
        let answer = request.send().await.unwrap();
        let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
        (status, answer.text().await.unwrap())
    };
    super::hooks::listening(axum::Router::new().fallback(any(forward))).await
}

#[tokio::test]
async fn without_the_right_to_put_back_what_was_read_is_told_all_the_same() {
    let mut queues = Queues::new().await;
    let denied = denying(&["ChangeMessageVisibility", "GetQueueAttributes"]).await;
    queues.bury(&job("a"), None).await;
    queues.site.set("AWS_ENDPOINT_URL_SQS", &denied);
    let warning = "warning: some dead letters stay hidden for 120 s: ChangeMessageVisibility";
    let listed = queues.site.run(&["dead-letters", "list"]).await;
    assert!(
        listed.code == Some(1) && listed.out.contains("1 dead letters\n"),
        "{listed:?}"
    );
    assert!(listed.err.contains(warning), "{listed:?}");

    queues.bury(&job("b"), None).await;
    queues.bury("no job", None).await;
    let ran = queues.site.run(&["dead-letters", "redrive", "--all"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("1 redriven, 1 left") && ran.err.contains(warning),
        "{ran:?}"
    );
    let examined = queues.site.run(&["doctor"]).await;
    for line in [
        "warn  queue: GetQueueAttributes",
        "warn  dead letters: GetQueueAttributes",
    ] {
        assert!(examined.out.contains(line), "{line}: {examined:?}");
    }
}

#[tokio::test]
async fn the_same_job_is_sent_once() {
    let queues = Queues::new().await;
    for _ in 0..2 {
        queues.bury(&job("a"), None).await;
    }
    let ran = queues.site.run(&["dead-letters", "redrive", "--all"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("1 redriven, 1 left") && ran.out.contains("the same job was just sent"),
        "{ran:?}"
    );
    assert_eq!(queues.counts().await, ["1", "1", "0"]);
}
