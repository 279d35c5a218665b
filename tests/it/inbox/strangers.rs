//! Who posts to endpoints that there are not, and what a store that fails makes of those that there are.

use super::{Desk, UNKNOWN, holds};
use hookwork::twin::faults::{Fault, On};
use serde_json::json;
use std::time::Duration;

impl Desk {
    fn reads(&self) -> usize {
        self.world.faults.count("GetObject")
    }
}

#[tokio::test]
async fn a_name_that_there_is_not_costs_one_read_and_leaves_nothing() {
    let desk = Desk::new().await;
    let (id, token) = desk.endpoint(false).await;
    let path = format!("/in/{UNKNOWN}");
    for _ in 0..5 {
        let seen = desk.post(&path, Some("x"), "hello").await;
        assert_eq!(seen.status, 404);
        assert_eq!(seen.json()["error"], "no such endpoint");
    }
    assert_eq!(desk.reads(), 1);
    for odd in [
        "UPPERCASEUPPERCA",
        "short",
        "..%2F..%2F..%2Fsecret",
        "%ff%ff",
        &"a".repeat(5000),
    ] {
        assert_eq!(
            desk.post(&format!("/in/{odd}"), Some("x"), "hello")
                .await
                .status,
            404,
            "{odd}"
        );
        assert_eq!(
            desk.post(&format!("/in/{odd}/x"), None, "hello")
                .await
                .status,
            404,
            "{odd}"
        );
    }
    assert_eq!(desk.reads(), 1, "what can be none is not asked for");
    for _ in 0..3 {
        assert_eq!(
            desk.post(&format!("/in/{id}"), Some(&token), "hello")
                .await
                .status,
            200
        );
    }
    assert_eq!(desk.reads(), 2, "one that there is costs one, too");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    assert_eq!(
        desk.post(&format!("/in/{id}"), Some(&token), "hello")
            .await
            .status,
        200
    );
    assert_eq!(desk.reads(), 3, "ten seconds later it is asked for anew");
    let rows = desk.read("/inbox/api/deliveries").await;
    assert_eq!(
        rows["deliveries"].as_array().unwrap().len(),
        4,
        "strangers' are not kept"
    );
}

#[tokio::test]
async fn a_thousand_names_fill_no_memory_and_the_real_one_goes_on() {
    let desk = Desk::new().await;
    let (id, token) = desk.endpoint(false).await;
    for number in 0..1_100 {
        let path = format!("/in/aaaaaaaaaaaa{number:04}");
        assert_eq!(desk.post(&path, Some("x"), "").await.status, 404);
    }
    assert_eq!(
        desk.post(&format!("/in/{id}"), Some(&token), "hello")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_store_that_denies_what_is_not_there_says_unknown_and_one_that_is_down_says_again() {
    let desk = Desk::new().await;
    let (id, token) = desk.endpoint(false).await;
    let get = || On::every().of("GetObject");
    desk.world.faults.inject(
        get().key(&format!("endpoints/{UNKNOWN}.json")),
        Fault::Status(403, "AccessDenied"),
    );
    assert_eq!(
        desk.post(&format!("/in/{UNKNOWN}"), Some("x"), "hello")
            .await
            .status,
        404
    );
    desk.world
        .faults
        .inject(get(), Fault::Status(500, "InternalError"));
    let seen = desk.post(&format!("/in/{id}"), Some(&token), "hello").await;
    assert_eq!(
        (seen.status, &seen.json()["error"]),
        (500, &json!("it was not recorded: send it again"))
    );
    desk.world.faults.clear();
    assert_eq!(
        desk.post(&format!("/in/{id}"), Some(&token), "hello")
            .await
            .status,
        200
    );
    desk.world.faults.inject(
        On::every().of("PutObject"),
        Fault::Status(500, "InternalError"),
    );
    let seen = desk.post(&format!("/in/{id}"), Some(&token), "hello").await;
    assert_eq!(seen.status, 500, "what is nowhere is not acknowledged");
    assert_eq!(seen.header("hookwork-recorded"), "false");
    assert!(!holds(&seen.body, "InternalError"));
}
