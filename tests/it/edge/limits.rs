//! One noisy source, or a stranger, leaves room for the others.

use crate::world::{SECRET, World, created, finished, secrets, vk};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

async fn world() -> World {
    World::with_state(|s3_url, intdash_url| {
        let mut noisy = vk(s3_url, json!({}));
        noisy["rate"] = json!(1);
        let intdash = json!({"kind": "intdash", "url": intdash_url, "rate": 2});
        (json!({"vk": noisy, "intdash": intdash}), secrets())
    })
    .await
}

#[tokio::test]
async fn more_than_a_sources_rate_is_429_before_anything_is_stored_and_the_others_go_on() {
    let world = world().await;
    world.put("a", "1");
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(world.deliver([created("a")]).await.status);
    }
    let taken = statuses.iter().filter(|status| **status == 200).count();
    assert!((10..30).contains(&taken), "{statuses:?}");
    assert!(statuses[..10].iter().all(|status| *status == 200));
    assert!(statuses.iter().all(|status| [200, 429].contains(status)));
    assert_eq!(world.inbox().len(), taken);
    let before = world.faults.calls().len();
    let mut refused = world.deliver([created("a")]).await;
    while refused.status == 200 {
        refused = world.deliver([created("a")]).await;
    }
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.json()["error"], "too many deliveries");
    let calls = world.faults.calls();
    let since = calls[before..].iter().filter(|call| call.bucket == "state");
    assert!(since.count() < 5, "{calls:?}");
    assert_eq!(world.finish_sample().await.status, 200, "another source");
}

#[tokio::test]
async fn a_stranger_uses_up_nothing_of_a_source() {
    let world = world().await;
    let mut recorded = 0;
    for number in 0..1_300 {
        let body = json!({"resource_type": "measurement", "n": number}).to_string();
        let request = Request::post("/hooks/intdash")
            .header("x-intdash-signature-256", "AAAA")
            .body(Body::from(body))
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status, 401, "each is answered as ever");
        recorded += usize::from(!answer.headers.contains_key("hookwork-recorded"));
    }
    assert!((1_000..1_300).contains(&recorded), "{recorded}");
    let mine = world.send(finished("m-1", SECRET)).await;
    assert_ne!(mine.status, 429, "{mine:?}");
    assert!(!mine.headers.contains_key("hookwork-recorded"));
}

#[test]
fn a_rate_is_a_whole_number_from_one_on() {
    use hookwork::config::Config;
    for (rate, good) in [
        (json!(1), true),
        (json!(1000), true),
        (json!(0), false),
        (json!(-1), false),
        (json!("fast"), false),
        (json!(1.5), false),
    ] {
        let mut source: Value = vk("http://127.0.0.1:9", json!({}));
        source["rate"] = rate.clone();
        let sources = json!({"vk": source}).to_string();
        let setting = |key: &str| match key {
            "SOURCES" => Some(sources.clone()),
            "BACKUP_BUCKET" => Some("b".to_owned()),
            _ => None,
        };
        assert_eq!(Config::from_lookup(setting).is_ok(), good, "{rate}");
    }
}
