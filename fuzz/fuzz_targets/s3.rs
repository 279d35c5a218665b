//! What anybody may post to the URL of an object storage, in each dialect: handshakes, records, test events. The letter before
//! the body is the flavor.

#![no_main]

use hookwork_fuzz::domain::event::Event;
use hookwork_fuzz::domain::handshake::Answer;
use hookwork_fuzz::domain::source::{Message, Proof, Source};
use hookwork_fuzz::{choice, delivery, secrets};
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use std::sync::LazyLock;

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let sources = ["vk", "minio", "ceph", "aws"].map(|flavor| {
        let any = json!({"include": ["*a*", "*.jpg", "?*/*"], "exclude": ["*/secret?", "*b*c*d*e"], "prefix": "p/"});
        let buckets = json!({"origin": any, "mcs1/project": any, "mcs2883541269/bucketA": any});
        serde_json::from_value(json!({"kind": "s3", "flavor": flavor, "endpoint": "http://s3", "region": "r", "buckets": buckets})).unwrap()
    });
    sources.into()
});

fuzz_target!(|data: &[u8]| {
    let Some((flavor, body)) = choice(data, 4) else {
        return;
    };
    let secrets = secrets();
    let proof = Proof::Sender {
        secrets: &secrets,
        vouched: false,
    };
    match SOURCES[flavor].open("s", &delivery(body), proof) {
        Ok(Message::Challenge(Answer::Signature(signature))) => {
            assert_eq!(flavor, 0);
            assert!(
                signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit())
            );
        }
        Ok(Message::Challenge(_) | Message::Confirm(_) | Message::Ended(_)) => {
            panic!("no such answer")
        }
        Ok(Message::Events(events)) => {
            assert!(events.len() <= 1000);
            for event in events {
                match event {
                    Event::Object(objects) => {
                        assert!((1..=2).contains(&objects.len()));
                        for object in objects {
                            assert!((1..=1024).contains(&object.key.len()));
                            assert!(
                                ["origin", "mcs1/project", "mcs2883541269/bucketA"]
                                    .contains(&object.origin.as_str())
                            );
                        }
                    }
                    Event::Forbidden { bucket, key } => {
                        assert!(bucket.len() <= 255 && key.len() <= 3 * 1024)
                    }
                    Event::Measurement(_) | Event::Forward(_) => panic!("not of an object storage"),
                    Event::Nothing { .. } | Event::Malformed(_) => {}
                }
            }
        }
        Err(rejection) => assert!(rejection.to_string().len() < 300),
    }
});
