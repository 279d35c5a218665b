//! What goes into the queue, and what is read of it.

use super::*;
use crate::domain::forward::Body;
use proptest::prelude::*;

fn mirror(key: &str) -> Job {
    Job::Mirror(ObjectRef {
        source: "vk".to_owned(),
        origin: "mcs1/b".to_owned(),
        key: key.to_owned(),
    })
}

fn id() -> DeliveryId {
    DeliveryId(Uuid::from_u128(7))
}

/// What a version of this program has sent must be read by every later one.
#[test]
fn reads_the_first_version() {
    let golden = [
        (
            mirror("a \"b\"/é"),
            r#"{"version":1,"delivery":"00000000-0000-0000-0000-000000000007","work":{"mirror":{"source":"vk","origin":"mcs1/b","key":"a \"b\"/é"}}}"#,
        ),
        (
            Job::Summary(MeasurementRef {
                source: "intdash".to_owned(),
                project: "p".to_owned(),
                measurement: "m".to_owned(),
                occurrence: None,
            }),
            r#"{"version":1,"delivery":"00000000-0000-0000-0000-000000000007","work":{"summary":{"source":"intdash","project":"p","measurement":"m"}}}"#,
        ),
    ];
    let audit = Job::Audit(OriginRef {
        source: "vk".to_owned(),
        origin: "mcs1/b".to_owned(),
    });
    let of_audit = r#"{"version":1,"delivery":"00000000-0000-0000-0000-000000000007","work":{"audit":{"source":"vk","origin":"mcs1/b"}}}"#;
    for (job, json) in golden.into_iter().chain([(audit, of_audit)]) {
        assert_eq!(job.to_json(id()), json);
        assert_eq!(Job::from_json(json), Ok((job, id())));
    }
}

#[test]
fn reads_the_second_version() {
    let summary = Job::Summary(MeasurementRef {
        source: "intdash".to_owned(),
        project: "p".to_owned(),
        measurement: "m".to_owned(),
        occurrence: Some("o".to_owned()),
    });
    let forward = |body| {
        Job::Forward(Forward {
            source: "github".to_owned(),
            event: Some("push".to_owned()),
            id: None,
            occurrence: None,
            body,
            delivery: Some(id()),
        })
    };
    let text = Body::Text {
        text: "{\"a\":1}".to_owned(),
        cut: false,
    };
    let base64 = Body::Base64 {
        base64: "/w==".to_owned(),
        cut: true,
    };
    let golden = [
        (
            summary,
            r#"{"summary":{"source":"intdash","project":"p","measurement":"m","occurrence":"o"}}"#,
        ),
        (
            forward(text),
            r#"{"forward":{"source":"github","event":"push","id":null,"occurrence":null,"body":{"text":{"text":"{\"a\":1}","cut":false}}}}"#,
        ),
        (
            forward(base64),
            r#"{"forward":{"source":"github","event":"push","id":null,"occurrence":null,"body":{"base64":{"base64":"/w==","cut":true}}}}"#,
        ),
        (
            forward(Body::Empty),
            r#"{"forward":{"source":"github","event":"push","id":null,"occurrence":null,"body":"empty"}}"#,
        ),
    ];
    for (job, work) in golden {
        let json = format!(
            r#"{{"version":2,"delivery":"00000000-0000-0000-0000-000000000007","work":{work}}}"#
        );
        assert_eq!(job.to_json(id()), json);
        assert_eq!(Job::from_json(&json), Ok((job, id())));
    }
}

#[test]
fn of_equal_jobs_one_is_done_and_knows_whether_any_was_tried_before() {
    let cause = |n, again| Cause {
        delivery: DeliveryId(Uuid::from_u128(n)),
        trace: None,
        again,
    };
    let jobs = [
        (mirror("a"), cause(1, false)),
        (mirror("b"), cause(2, false)),
        (mirror("a"), cause(3, true)),
    ];
    let expected = [
        (mirror("a"), cause(1, true)),
        (mirror("b"), cause(2, false)),
    ];
    assert_eq!(once(jobs.into_iter()), expected);
}

#[test]
fn sources_take_turns() {
    let of = |source: &str, key: &str| {
        let mut job = mirror(key);
        if let Job::Mirror(object) = &mut job {
            source.clone_into(&mut object.source);
        }
        (job, Cause::new(id(), None))
    };
    let noisy = (0..4).map(|n| of("noisy", &n.to_string()));
    let jobs: Vec<_> = noisy.chain([of("quiet", "a"), of("quiet", "b")]).collect();
    let order: Vec<_> = in_turns(jobs)
        .into_iter()
        .map(|(job, _)| match job {
            Job::Mirror(object) => object.key,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, ["0", "a", "1", "b", "2", "3"]);
}

/// Two that read the same and have no id are two; of one that is known again, one is enough.
#[test]
fn forwards_are_folded_only_where_an_id_tells() {
    let forward = |occurrence: Option<&str>, delivery: u128| {
        let forward = Forward {
            source: "ci".to_owned(),
            event: None,
            id: None,
            occurrence: occurrence.map(ToOwned::to_owned),
            body: Body::Empty,
            delivery: None,
        };
        let id = DeliveryId(Uuid::from_u128(delivery));
        let json = Job::Forward(forward).to_json(id);
        let (job, delivery) = Job::from_json(&json).unwrap();
        (job, Cause::new(delivery, None))
    };
    let so_many =
        |of: Option<&str>| once([forward(of, 1), forward(of, 2), forward(of, 2)].into_iter()).len();
    assert_eq!((so_many(None), so_many(Some("o"))), (2, 1));
}

#[test]
fn says_what_it_cannot_read() {
    let later = mirror("a").to_json(id()).replacen('1', "3", 1);
    let found = Job::from_json(&later.replace("work", "labour")).unwrap_err();
    assert_eq!(found, Unread::Later(3));
    for no_job in [
        "",
        "{}",
        "[1]",
        "{\"version\":1}",
        "{\"version\":1,\"work\":{}}",
    ] {
        let found = Job::from_json(no_job).unwrap_err();
        assert!(found.to_string().starts_with("this is no job: "), "{found}");
    }
    let more = mirror("a").to_json(id()).replacen('{', "{\"more\":1,", 1);
    assert!(Job::from_json(&more).is_err());
}

/// Whoever can write to the queue can write anything into it: nothing of it may climb out of its place in a URL or a path.
#[test]
fn names_that_would_be_another_place_in_a_url_are_no_job() {
    let read = |work: serde_json::Value| {
        let json = serde_json::json!({"version": 2, "delivery": id().0, "work": work});
        Job::from_json(&json.to_string())
    };
    let summary = |source: &str, project: &str, measurement: &str, occurrence: &str| {
        read(
            serde_json::json!({"summary": {"source": source, "project": project, "measurement": measurement, "occurrence": occurrence}}),
        )
    };
    assert!(summary("intdash", "p", "m-1", "0a").is_ok());
    let hostile = [
        "", ".", "..", "../..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\\b", "a\n", "\u{e9}", "a&b",
    ];
    for text in hostile {
        for refused in [
            summary(text, "p", "m", "o"),
            summary("i", text, "m", "o"),
            summary("i", "p", text, "o"),
            summary("i", "p", "m", text),
        ] {
            let why = refused.unwrap_err().to_string();
            assert!(why.starts_with("this is no job: its "), "{text:?}: {why}");
        }
    }
    assert!(summary("i", "p", "m", &"a".repeat(65)).is_err());
    assert!(summary("i", &"p".repeat(65), "m", "o").is_err());
    let forward = |source: &str, occurrence: Option<&str>| {
        read(
            serde_json::json!({"forward": {"source": source, "event": null, "id": null, "occurrence": occurrence, "body": "empty"}}),
        )
    };
    assert!(forward("ci", None).is_ok() && forward("in/abcdefghijkmnpqr", None).is_ok());
    for source in [
        "in/",
        "in/..",
        "in/../../x",
        "in/abcdefghijkmnpqr/..",
        "a/b",
    ] {
        assert!(forward(source, None).is_err(), "{source}");
    }
    assert!(forward("ci", Some("../x")).is_err());
    for origin in [
        "", "..", "../x", "a/../b", "a/b/c", "a/", "/b", "a?b", "a\nb",
    ] {
        let audit = read(serde_json::json!({"audit": {"source": "vk", "origin": origin}}));
        let mirror = serde_json::json!({"mirror": {"source": "vk", "origin": origin, "key": "k"}});
        assert!(audit.is_err() && read(mirror).is_err(), "{origin}");
    }
    let empty = serde_json::json!({"mirror": {"source": "vk", "origin": "b", "key": ""}});
    assert!(read(empty).is_err());
}

proptest! {
    #[test]
    fn every_key_travels_in_the_characters_that_sqs_takes(key in "\\PC{0,8}[\\x00-\\x1f\\u{7f}\\u{fffe}\\u{ffff}]{0,4}.{0,8}") {
        prop_assume!(!key.is_empty());
        let job = mirror(&key);
        let json = job.to_json(id());
        let taken = |c| matches!(c, '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        prop_assert!(json.chars().all(taken));
        prop_assert_eq!(Job::from_json(&json), Ok((job, id())));
    }
}
