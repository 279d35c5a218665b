//! Deliveries that the senders' own libraries have signed (`tests/senders.py`): each is taken as it came, and refused once
//! anything of it has changed.

use crate::servers::installed;
use crate::world::{Answer, World};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

#[derive(Clone, Deserialize)]
struct Signed {
    scheme: String,
    signed_by: String,
    secret: String,
    /// Another one of the same form.
    other_secret: String,
    headers: BTreeMap<String, String>,
    body_base64: String,
}

/// What the libraries sign, now.
fn signed() -> Vec<Signed> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/senders.py");
    let ran = Command::new(installed("python")).arg(script).output();
    let ran = ran.unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let lines = String::from_utf8(ran.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A function that knows each of these senders by this secret: a source each.
async fn knowing(senders: &[Signed], secret: impl Fn(&Signed) -> &str) -> World {
    let named = |value: &dyn Fn(&Signed) -> Value| {
        let each = senders.iter().enumerate();
        let each = each.map(|(index, sender)| (format!("s{index}"), value(sender)));
        Value::Object(each.collect())
    };
    let sources = named(&|sender| json!({"kind": "generic", "verify": sender.scheme}));
    let secrets = named(&|sender| json!({"secrets": ["the-bm90LXRoaXM=", secret(sender)]}));
    World::with(|_, _| (sources, secrets)).await
}

impl Signed {
    fn body(&self) -> Vec<u8> {
        STANDARD.decode(&self.body_base64).unwrap()
    }

    async fn sent(&self, world: &World, source: usize, body: Vec<u8>) -> Answer {
        let mut request = Request::post(format!("/hooks/s{source}"));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        world.send(request.body(Body::from(body)).unwrap()).await
    }

    /// The same with this value in this header, or without the header.
    fn with(&self, name: &str, value: Option<String>) -> Self {
        let mut changed = self.clone();
        changed.headers.remove(name);
        if let Some(value) = value {
            changed.headers.insert(name.to_owned(), value);
        }
        changed
    }
}

#[tokio::test]
async fn what_the_senders_own_libraries_sign_is_taken_and_handed_on() {
    let senders = signed();
    assert!(senders.len() >= 30, "{}", senders.len());
    let world = knowing(&senders, |sender| &sender.secret).await;
    for (source, sender) in senders.iter().enumerate() {
        let of = format!("{} by {}", sender.scheme, sender.signed_by);
        let answer = sender.sent(&world, source, sender.body()).await;
        assert_eq!(answer.status, 200, "{of}: {}", answer.body);
        assert_eq!(answer.outcomes(), ["published"], "{of}");
        assert_eq!(answer.json()["outcomes"][0]["job"], "forward", "{of}");
        let notice = world.topic.notices().pop().unwrap();
        assert_eq!(notice.message.as_bytes(), sender.body(), "{of}");
    }
    assert_eq!(world.topic.notices().len(), senders.len());
}

#[tokio::test]
async fn once_anything_of_it_has_changed_it_is_refused() {
    let senders = signed();
    let world = knowing(&senders, |sender| &sender.secret).await;
    let elsewhere = knowing(&senders, |sender| &sender.other_secret).await;
    let mut refused = 0;
    for (source, sender) in senders.iter().enumerate() {
        let of = format!("{} by {}", sender.scheme, sender.signed_by);
        let body = sender.body();
        let mut changed = Vec::new();
        for at in [0, body.len() / 2, body.len() - 1] {
            let mut flipped = body.clone();
            flipped[at] ^= 1;
            changed.push((format!("bit of byte {at}"), sender.clone(), flipped));
        }
        changed.push((
            "a byte more".to_owned(),
            sender.clone(),
            [&body[..], b" "].concat(),
        ));
        changed.push(("nothing".to_owned(), sender.clone(), Vec::new()));
        for (name, value) in &sender.headers {
            changed.push((format!("no {name}"), sender.with(name, None), body.clone()));
            for damaged in damages(value) {
                let what = format!("{name}: {damaged}");
                changed.push((what, sender.with(name, Some(damaged)), body.clone()));
            }
        }
        refused += changed.len();
        for (what, sender, body) in changed {
            let answer = sender.sent(&world, source, body).await;
            assert_eq!(answer.status, 401, "{of}, {what}: {}", answer.body);
        }
        let answer = sender.sent(&elsewhere, source, body).await;
        assert_eq!(answer.status, 401, "{of}, another secret");
    }
    assert!(refused > 300, "{refused}");
    assert_eq!(world.topic.notices(), []);
    assert_eq!(elsewhere.topic.notices(), []);
}

/// A header's value with something wrong in every part that can prove something: of several signatures one that is right is
/// enough.
fn damages(value: &str) -> Vec<String> {
    let other = |c: char| match c {
        '0'..='8' | 'a'..='e' | 'A'..='Y' => char::from(c as u8 + 1),
        '9' | 'f' => '0',
        _ => 'A',
    };
    let parts: Vec<&str> = value.split_inclusive([' ', ',']).collect();
    let damaged = |at: fn(usize) -> usize| -> String {
        let changed = parts.iter().map(|part| {
            // What is shorter names a version, such as `v1,`.
            let at = if part.len() > 5 {
                at(part.len())
            } else {
                part.len()
            };
            let chars = part.char_indices();
            chars
                .map(|(place, c)| if place == at { other(c) } else { c })
                .collect::<String>()
        });
        changed.collect()
    };
    let half = value[..value.len() / 2].to_owned();
    vec![
        damaged(|length| length / 2),
        damaged(|length| length - 4),
        half,
        String::new(),
    ]
}
