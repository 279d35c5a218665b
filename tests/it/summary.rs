//! From a signed delivery of a finished measurement to the notice, over the wire.

mod message;
mod million;
mod wire;

use crate::world::{TOPIC, World};
use hookwork::twin::intdash::{Line, SAMPLE_MEASUREMENT};
use http::StatusCode;

#[tokio::test]
async fn a_finished_measurement_becomes_a_notice() {
    let world = World::new().await;
    for by_name in [false, true] {
        world.intdash.use_data_name(by_name);
        let answer = world.finish_sample().await;
        assert_eq!(
            (answer.status, answer.outcomes()),
            (200, vec!["published".to_owned()])
        );
        assert_eq!(
            answer.json()["outcomes"][0]["measurement"],
            SAMPLE_MEASUREMENT
        );
    }
    let notices = world.topic.notices();
    assert_eq!(notices.len(), 2);
    for notice in notices {
        assert_eq!(notice.topic_arn, TOPIC);
        assert_eq!(
            notice.subject.unwrap(),
            format!("Summary of measurement {SAMPLE_MEASUREMENT}")
        );
        assert!(
            notice
                .message
                .starts_with("Average: 99.506109\nUnbiased Variance: 243.961858\n"),
            "{}",
            notice.message
        );
    }
}

#[tokio::test]
async fn only_finite_float64_values_count() {
    let world = World::new().await;
    let mut lines = Line::floats([1.0, f64::NAN, 3.0, f64::INFINITY]);
    lines.push(Line::Other {
        data_type: "string".into(),
        data_id: "1/text".into(),
        data: serde_json::json!({"d": "aGVsbG8="}),
    });
    world.intdash.insert("m", lines);
    assert_eq!(world.finish("m").await.status, 200);
    let text = world.topic.notices().remove(0).message;
    assert!(
        text.starts_with("Average: 2.000000\nUnbiased Variance: 2.000000\n"),
        "{text}"
    );
    assert!(text.contains("1 not a number, 1 infinite"), "{text}");
}

#[tokio::test]
async fn no_points_are_said_in_words_and_one_has_variance_0() {
    let world = World::new().await;
    world.intdash.insert("none", vec![]);
    world.intdash.insert("one", Line::floats([7.0]));
    assert_eq!(
        (
            world.finish("none").await.status,
            world.finish("one").await.status
        ),
        (200, 200)
    );
    let notices = world.topic.notices();
    assert!(notices[0].message.starts_with("No data points"));
    assert!(
        notices[1]
            .message
            .starts_with("Average: 7.000000\nUnbiased Variance: 0.000000\n")
    );
}

#[tokio::test]
async fn half_the_data_makes_no_summary() {
    let world = World::new().await;
    world.intdash.fail_after(SAMPLE_MEASUREMENT, 500);
    assert_eq!(world.finish_sample().await.status, 500);
    world
        .intdash
        .insert("broken", Line::floats((0..1000).map(f64::from)));
    world.intdash.break_after("broken", 500);
    assert_eq!(world.finish("broken").await.status, 500);
    assert_eq!(world.topic.notices(), []);
}

#[tokio::test]
async fn a_server_that_refuses_fails_the_job_and_the_retry_succeeds() {
    let world = World::new().await;
    for (times, status) in [
        (3, StatusCode::INTERNAL_SERVER_ERROR),
        (1, StatusCode::UNAUTHORIZED),
    ] {
        world.intdash.refuse_next(times, status);
        let answer = world.finish_sample().await;
        assert_eq!(
            (answer.status, answer.outcomes()),
            (500, vec!["failed".to_owned()]),
            "{status}"
        );
    }
    // One that is over soon is waited for.
    world.intdash.refuse_next(2, StatusCode::BAD_GATEWAY);
    assert_eq!(world.finish_sample().await.status, 200);
    assert_eq!(world.topic.notices().len(), 1);
}

#[tokio::test]
async fn a_topic_that_fails_fails_the_job() {
    let world = World::new().await;
    // More than the SDK tries by itself.
    world.topic.fail_next(10);
    assert_eq!(world.finish_sample().await.status, 500);
    assert_eq!(world.topic.notices(), []);
}
