//! Every command ends with the code that its help promises: 0 all is well, 1 something was found or is left to do, 2 it could not be done.

use super::Site;
use axum::body::Body;
use serde_json::json;
use std::net::TcpListener;

const UNKNOWN: &str = "0197a3c2-7e1f-7d3a-9b54-0f1e2d3c4b5a";
const HOOK: &str = "https://x.example/hooks/intdash";

#[tokio::test]
async fn each_command_ends_as_its_help_says() {
    let mut site = Site::new(json!({}), true).await;
    site.put("a", "1");
    let done = site.told_of("a").await;
    let handshake = r#"{"Timestamp":"t","Type":"SubscriptionConfirmation","TopicArn":"mcs1|origin|s3:ObjectCreated:*","Token":"t"}"#;
    let request = http::Request::post(format!("/hooks/vk/{}", super::SECRETS[3]));
    let answer = site
        .asked(request.body(Body::from(handshake)).unwrap())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let listed = site
        .run(&["tail", "--once", "--status", "handshake", "--json"])
        .await;
    let shaken = listed.last()["id"].as_str().unwrap().to_owned();
    let forged = http::Request::post("/hooks/intdash").body(Body::from("{}"));
    let refused = site.asked(forged.unwrap()).await.json()["delivery"].clone();
    let refused = refused.as_str().unwrap().to_owned();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let table: [(&[&str], i32); 32] = [
        (&[], 2),
        (&["nothing"], 2),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["version"], 0),
        (&["audit", "vk", "origin"], 0),
        (&["audit", "nobody", "origin"], 2),
        (&["audit", "vk", "nowhere"], 2),
        (&["backfill", "vk", "origin"], 0),
        (&["backfill", "vk", "nowhere"], 2),
        (&["backfill", "vk", "origin", "--concurrency", "0"], 2),
        (&["dead-letters", "list"], 0),
        (&["dead-letters", "show", "x"], 2),
        (&["dead-letters", "redrive", "--all"], 0),
        (&["dead-letters", "redrive", "x"], 1),
        (&["dead-letters", "redrive"], 2),
        (&["register", "vk", "vk", "origin", "--url", "no url"], 2),
        (&["register", "vk", "nobody", "origin", "--url", HOOK], 2),
        (&["sign", "intdash", "--url", HOOK], 0),
        (&["sign", "nobody", "--url", HOOK], 2),
        (&["sign", "vk", "--url", HOOK], 2),
        (&["tail", "--once"], 0),
        (&["tail", "--status", "odd"], 2),
        (&["replay", &done], 0),
        (&["replay", &refused], 1),
        (&["replay", &shaken], 1),
        (&["replay", UNKNOWN], 2),
        (&["replay", "0197"], 2),
        (&["completions", "bash"], 0),
        (&["completions", "odd"], 2),
        (&["dev", "--once", "--port", &port, "--s3-port", "0"], 2),
        (&["dev", "--once", "--script", "/nowhere/at all"], 2),
    ];
    for (arguments, code) in table {
        let ran = site.run(arguments).await;
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
    }
    site.put("b", "2");
    assert_eq!(site.run(&["audit", "vk", "origin"]).await.code, Some(1));
    site.set("QUEUE_URL", "http://127.0.0.1:1/jobs");
    for command in [&["list"][..], &["redrive", "--all"]] {
        let ran = site.run(&[&["dead-letters"], command].concat()).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("DEAD_LETTERS_URL is not set"), "{ran:?}");
    }
    site.set("STATE_BUCKET", "nowhere");
    for arguments in [&["replay", UNKNOWN][..], &["tail", "--once"]] {
        let ran = site.run(arguments).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}

#[tokio::test]
async fn without_settings_it_says_where_they_come_from_and_a_broken_file_says_where() {
    let mut site = Site::new(json!({}), false).await;
    let file = crate::servers::scratch("bad").join("bad.json");
    std::fs::write(&file, "{\n  \"SECRETS\": \"hunter2\",\n  \"SOURCES\" {}\n}").unwrap();
    let ran = site
        .run(&["tail", "--settings", file.to_str().unwrap()])
        .await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("bad.json: expected a JSON object"),
        "{ran:?}"
    );
    assert!(ran.err.contains("at line 3, column 13"), "{ran:?}");
    assert!(!ran.err.contains("hunter2"), "{ran:?}");

    // As people write them by hand: JSON in JSON.
    site.put("a", "1");
    let mut variables = serde_json::Map::new();
    for (name, value) in &site.variables {
        let nested = ["SOURCES", "SECRETS"].contains(&name.as_str());
        let value = match nested {
            true => serde_json::from_str(value).unwrap(),
            false => json!(value),
        };
        variables.insert(name.clone(), value);
    }
    std::fs::write(&file, json!(variables).to_string()).unwrap();
    site.variables.clear();
    let ran = site
        .run(&[
            "backfill",
            "vk",
            "origin",
            "--settings",
            file.to_str().unwrap(),
        ])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(site.store.keys("backup"), ["a"]);

    let ran = site.run(&["tail", "--once"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("SOURCES is not set") && ran.err.contains("--settings FILE"),
        "{ran:?}"
    );
}
