//! What is recorded is received again: what was proven as it is, what was refused by the same door.

use super::{SECRET, deadline, generic, github, knows, newest, push, replayed};
use crate::world::World;
use hookwork::app::App;
use hookwork::app::deliveries::Unreplayed;
use hookwork::domain::inbox::{By, Verdict};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn what_was_accepted_is_received_again_whatever_its_secret_is_today() {
    let world = github().await;
    world.send(push(SECRET, "{}")).await;
    let id = world.inbox()[0].id;
    let rotated = world
        .recording("all", &generic(), &knows("rotated since"))
        .await;
    assert_eq!(replayed(&rotated, id).await, Ok(1));
    let row = &world.inbox()[0];
    let by: Vec<_> = row
        .attempts
        .iter()
        .map(|attempt| (attempt.by, attempt.outcome))
        .collect();
    assert_eq!(by, [(By::Inline, "published"), (By::Replay, "published")]);
    let kept = rotated.find(id).await.unwrap().unwrap();
    assert_eq!(kept.record.unwrap().delivery.id, id, "the original id");
    assert_eq!(
        world.topic.notices()[1].attributes["delivery"],
        id.to_string()
    );
}

#[tokio::test]
async fn what_was_refused_must_prove_itself_with_the_secrets_of_today() {
    let world = github().await;
    world
        .send(push("given to the sender, and not to us", "{}"))
        .await;
    let id = world.inbox()[0].id;
    let refused = replayed(world.app(), id).await;
    let why = "it is refused today, too: signature or token missing or wrong".to_owned();
    assert_eq!(refused, Err(Unreplayed::Never(why)));
    assert!(world.topic.notices().is_empty());
    let mended = world
        .recording(
            "all",
            &generic(),
            &knows("given to the sender, and not to us"),
        )
        .await;
    // Whoever works behind the queue has not what it takes.
    let not = mended.replay_proven(id, None, deadline()).await;
    assert!(matches!(not, Err(Unreplayed::Never(why)) if why.contains("never proven")));
    assert_eq!(replayed(&mended, id).await, Ok(1));
    assert_eq!(world.topic.notices().len(), 1);
    assert_eq!(world.inbox()[0].state().word(), "done");
}

#[tokio::test]
async fn a_wrong_url_key_and_a_handshake_and_a_source_that_is_gone_are_not_received_again() {
    let world = github().await;
    let not = async |app: &Arc<App>| {
        let id = world.inbox()[0].id;
        replayed(app, id).await.unwrap_err().to_string()
    };
    world.post("/hooks/github/wrong", "{}").await;
    assert!(
        not(world.app())
            .await
            .contains("refused today, too: no such source")
    );
    world.post("/hooks/nobody", "{}").await;
    assert!(not(world.app()).await.contains("no source"));
    world.send(push(SECRET, "{}")).await;
    let other = json!({"other": {"kind": "generic", "verify": "none"}});
    let other = world.recording("all", &other, &json!({})).await;
    assert!(
        not(&other)
            .await
            .contains("source github, which is no more")
    );
}

#[tokio::test]
async fn an_address_that_is_not_let_in_is_recorded_and_its_key_compared_when_it_is() {
    let sources =
        json!({"github": {"kind": "generic", "verify": "github", "from": ["192.0.2.0/24"]}});
    let world = World::with_state(|_, _| (sources, knows(SECRET))).await;
    assert_eq!(world.send(push(SECRET, "{}")).await.status, 403);
    let record = newest(&world).await.record.unwrap();
    assert_eq!(record.told.verdict, Verdict::Forbidden);
    // Its key was right, and is compared when it is let in; another key is not the same.
    let open = world.recording("all", &generic(), &knows(SECRET)).await;
    let id = world.inbox()[0].id;
    assert_eq!(replayed(&open, id).await, Ok(1));
    let mut other = knows(SECRET);
    other["github"]["url_key"] = "another".into();
    world.send(push(SECRET, "[]")).await;
    let rotated = world.recording("all", &generic(), &other).await;
    let not = replayed(&rotated, world.inbox()[0].id).await.unwrap_err();
    assert_eq!(not.to_string(), "it is refused today, too: no such source");
}
