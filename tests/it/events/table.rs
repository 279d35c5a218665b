//! What every file of `events/` is answered with, and what is there afterwards.

use serde_json::{Value, json};

/// VK's published signatures: of the article, and of the documentation.
const ARTICLE: &str = "3754ce36636f80dfd606c5254d64ecb2fd8d555c27962b70b4f759f32c76b66d";
const DOCS: &str = "ea3fce4bb15c6de4fec365d36bcebbc34ccddf54616d5ca12e1972f82b6d37af";
const MEASUREMENT: &str = "1a14f158-2a0c-44c7-ace1-e0d21ecc93e9";

/// What a file is answered with, and what is there afterwards.
pub(super) struct Row {
    pub(super) file: &'static str,
    /// The file that is invoked before; `hello.txt` is removed from the origin then.
    pub(super) after: Option<&'static str>,
    status: u16,
    answer: Answer,
    /// Keys of the backup, each with the object it is a copy of.
    pub(super) backup: &'static [(&'static str, &'static str)],
    /// What the notice begins with, if there is one.
    pub(super) notice: Option<&'static str>,
}

enum Answer {
    /// This text.
    Says(&'static str),
    /// This JSON.
    Shakes(&'static str),
    /// A delivery of this id, handed on.
    Forwards(&'static str),
    Signs(&'static str),
    /// Keys and what became of them.
    Mirrors(&'static [(&'static str, &'static str)]),
    /// What became of the measurement.
    Summarises(&'static str),
    /// It triggers no job.
    Ignores,
    Refuses(&'static str),
    /// No request: the answer is this JSON.
    Tells(&'static str),
}
use Answer::{Forwards, Ignores, Mirrors, Refuses, Says, Shakes, Signs, Summarises, Tells};

const fn row(file: &'static str, status: u16, answer: Answer) -> Row {
    Row {
        file,
        after: None,
        status,
        answer,
        backup: &[],
        notice: None,
    }
}

/// Of what is no request.
const fn told(file: &'static str, answer: &'static str) -> Row {
    row(file, 0, Tells(answer))
}

impl Row {
    const fn copies(self, backup: &'static [(&'static str, &'static str)]) -> Self {
        Self { backup, ..self }
    }

    const fn publishes(self, notice: &'static str) -> Self {
        Self {
            notice: Some(notice),
            ..self
        }
    }

    const fn after(self, file: &'static str) -> Self {
        Self {
            after: Some(file),
            ..self
        }
    }

    pub(super) fn check(&self, answer: &Value) {
        let file = self.file;
        if let Tells(expected) = self.answer {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(*answer, expected, "{file}");
            return;
        }
        assert_eq!(answer["statusCode"], self.status, "{file}: {answer}");
        assert_eq!(answer["isBase64Encoded"], false, "{file}: {answer}");
        self.answer.check(file, answer);
    }
}

const HELLO: (&str, &str) = ("origin/hello.txt", "origin/hello.txt");
const PHOTO: (&str, &str) = (
    "origin/photos/Ünï 100%+1.jpg",
    "origin/photos/Ünï 100%+1.jpg",
);
const COPIED: Answer = Mirrors(&[("hello.txt", "copied")]);
const PUBLISHED: Answer = Summarises("published");
/// The two lines of the program that this replaces.
const SUMMARY: &str = "Average: 99.506109\nUnbiased Variance: 243.961858\n";
/// Whoever is not logged in gets it to log in with.
const PAGE: &str = include_str!("../../../src/http/inbox/page.html");
const NOTHING_YET: &str = r#"{"before":null,"calls":2,"deliveries":[],"searched":0}"#;
const UNAUTHENTIC: Answer = Refuses("signature or token missing or wrong");

pub(super) const TABLE: [Row; 44] = [
    row("ping", 200, Says("Pong\n")),
    row("vk-handshake-article", 200, Signs(ARTICLE)),
    row("vk-handshake-docs", 200, Signs(DOCS)),
    row("vk-handshake-rest-v1", 200, Signs(ARTICLE)),
    row("vk-handshake-base64", 200, Signs(ARTICLE)),
    row("vk-handshake-spaces", 200, Signs(ARTICLE)),
    row("vk-handshake-no-content-type", 200, Signs(ARTICLE)),
    row("vk-handshake-function-url", 200, Signs(ARTICLE)),
    row("vk-created", 200, COPIED).copies(&[HELLO]),
    row("vk-webhook-path", 200, COPIED).copies(&[HELLO]),
    row("vk-removed", 200, Mirrors(&[("hello.txt", "deleted")])).after("vk-created"),
    // The photo's key is looked at as it is and decoded; only the first is there.
    row(
        "vk-multi-record",
        200,
        Mirrors(&[
            ("hello.txt", "copied"),
            ("photos/Ünï 100%+1.jpg", "copied"),
            ("photos/Ünï 100% 1.jpg", "unchanged"),
            ("old.txt", "unchanged"),
            ("kept.txt", "ignored"),
        ]),
    )
    .copies(&[HELLO, PHOTO]),
    row(
        "vk-docs-created",
        200,
        Mirrors(&[("some-file-to-bucket", "copied")]),
    )
    .copies(&[("docs/some-file-to-bucket", "bucketA/some-file-to-bucket")]),
    row(
        "minio-created",
        200,
        Mirrors(&[("red flower/a+b.jpg", "copied")]),
    )
    .copies(&[("minio/red flower/a+b.jpg", "photos/red flower/a+b.jpg")]),
    row(
        "minio-created-token",
        200,
        Mirrors(&[("red flower/a+b.jpg", "copied")]),
    )
    .copies(&[(
        "minio-token/red flower/a+b.jpg",
        "photos/red flower/a+b.jpg",
    )]),
    row("minio-created-no-token", 401, UNAUTHENTIC),
    row("b2-created", 200, Mirrors(&[("objectName.txt", "copied")]))
        .copies(&[("b2/objectName.txt", "mySampleBucket/objectName.txt")]),
    row("b2-hidden", 200, Mirrors(&[("hidden.txt", "unchanged")])),
    row("b2-test-event", 200, Ignores),
    row("ceph-created", 200, Mirrors(&[("myimage1.jpg", "copied")]))
        .copies(&[("ceph/myimage1.jpg", "mybucket1/myimage1.jpg")]),
    row("aws-created", 200, Mirrors(&[("HappyFace.jpg", "copied")]))
        .copies(&[("aws/HappyFace.jpg", "mybucket/HappyFace.jpg")]),
    row("aws-test-event", 200, Ignores),
    // Of some day in March: what is as old as that is refused before anything is called.
    row("aws-sns-confirmation", 401, UNAUTHENTIC),
    row("aws-sns-created", 401, UNAUTHENTIC),
    row(
        "aws-sns-other-topic",
        403,
        Refuses("arn:aws:sns:us-west-2:123456789012:MyTopic is not one of the source's topics"),
    ),
    row(
        "github-push",
        200,
        Forwards("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    )
    .publishes("Hello, World!"),
    row("github-bad-signature", 401, UNAUTHENTIC),
    row("meta-subscribe", 200, Says("1158201444")),
    row(
        "x-crc",
        200,
        Shakes(r#"{"response_token":"sha256=Cytd4Sq+NvEcV3MMrXxWJGJx5A+y/lXzzU2Maartkx8="}"#),
    ),
    row(
        "graph-validation",
        200,
        Says("Validation: Testing client application reachability"),
    ),
    row("cloudevents-options", 200, Says("")),
    row("standard-webhooks-stale", 401, UNAUTHENTIC),
    row("intdash-completed", 200, PUBLISHED).publishes(SUMMARY),
    row("intdash-completed-rest-v1", 200, PUBLISHED).publishes(SUMMARY),
    row("intdash-completed-base64", 200, PUBLISHED).publishes(SUMMARY),
    row("intdash-finished", 200, PUBLISHED).publishes(SUMMARY),
    row("intdash-test-delivery", 200, Ignores),
    row("intdash-bad-signature", 401, UNAUTHENTIC),
    row("inbox-page", 401, Says(PAGE)),
    row("inbox-deliveries", 200, Shakes(NOTHING_YET)),
    row("endpoint-unknown", 404, Refuses("no such endpoint")),
    told("queue-mirror", r#"{"batchItemFailures":[]}"#).copies(&[HELLO, PHOTO]),
    // As many as env.json has origin buckets. What is younger than a quarter of an hour is left to its event.
    told("audit", r#"{"count":9}"#),
    told("release", r#"{"count":0}"#).after("audit"),
];

impl Answer {
    fn check(&self, file: &str, answer: &Value) {
        let body = answer["body"].as_str().unwrap();
        let is_json = answer["headers"]["content-type"] == "application/json";
        assert_ne!(is_json, matches!(self, Says(_)), "{file}: {answer}");
        let parsed = || serde_json::from_str::<Value>(body).unwrap();
        let outcomes = |expected: Value| {
            let parsed = parsed();
            let id = parsed["delivery"].as_str().unwrap();
            let id = uuid::Uuid::parse_str(id).unwrap();
            assert_eq!(id.get_version_num(), 7, "{file}");
            assert_eq!(parsed["outcomes"], expected, "{file}");
        };
        match self {
            Tells(_) => unreachable!("no request"),
            Says(text) | Shakes(text) => assert_eq!(body, *text, "{file}"),
            Forwards(id) => {
                outcomes(
                    json!([{"job": "forward", "event": "push", "id": id, "outcome": "published"}]),
                );
            }
            Signs(signature) => {
                assert_eq!(body, json!({"signature": signature}).to_string(), "{file}");
            }
            Mirrors(keys) => {
                let found = parsed()["outcomes"].as_array().cloned().unwrap_or_default();
                let found: Vec<_> = found
                    .iter()
                    .map(|one| {
                        (
                            one["key"].as_str().unwrap(),
                            one["outcome"].as_str().unwrap(),
                        )
                    })
                    .collect();
                assert_eq!(found, *keys, "{file}: {body}");
            }
            Summarises(outcome) => {
                outcomes(
                    json!([{"job": "summary", "measurement": MEASUREMENT, "outcome": outcome}]),
                );
            }
            Ignores => outcomes(json!([{"outcome": "ignored"}])),
            Refuses(why) => {
                let parsed = parsed();
                assert_eq!(parsed["error"], *why, "{file}");
                assert!(parsed["delivery"].is_string(), "{file}");
                assert_eq!(
                    parsed.as_object().unwrap().len(),
                    2,
                    "{file}: no more is told"
                );
            }
        }
    }
}
