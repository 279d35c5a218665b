//! `hookctl register intdash` lists, tests and removes hooks, and tells no secret of anybody's.

use super::hooks::listening;
use super::{SECRETS, Site};
use crate::world::{function, variables};
use hookwork::twin::intdash::Intdash;
use serde_json::{Value, json};

const PROJECT: &str = "7d1c2e4a-0000-4000-8000-0123456789ab";
const V27: &str = "/api/v1/webhook/projects/{project}/hooks";

/// A server with hooks, and an operator whose source has this besides.
async fn site(settings: Value) -> (Site, Intdash, String) {
    let intdash = Intdash::new(SECRETS[2]);
    let url = listening(intdash.router()).await;
    let mut site = Site::new(json!({}), false).await;
    let mut source = json!({"kind": "intdash", "url": url});
    let settings = settings.as_object().unwrap().clone();
    source.as_object_mut().unwrap().extend(settings);
    let sources = json!({"intdash": source});
    let secrets = json!({"intdash": {"secrets": [SECRETS[1]], "api_token": SECRETS[2], "url_key": SECRETS[3]}});
    site.set("SOURCES", &sources.to_string());
    site.set("SECRETS", &secrets.to_string());
    let setting = variables(&sources, &secrets, "backup", None);
    let endpoint = &site.variables["AWS_ENDPOINT_URL_S3"];
    let function = function(setting, endpoint, &site.variables["AWS_ENDPOINT_URL"]).await;
    let hook = format!("{}/hooks/intdash", listening(function).await);
    (site, intdash, hook)
}

/// Makes a hook past `hookctl`, as anybody else may have.
async fn made(site: &Site, path: &str, url: &str) -> String {
    let sources: Value = serde_json::from_str(&site.variables["SOURCES"]).unwrap();
    let server = sources["intdash"]["url"].as_str().unwrap();
    let body = json!({"url": url, "secret": SECRETS[1], "measurements_event": true}).to_string();
    let request = reqwest::Client::new().post(format!("{server}{path}"));
    let request = request.header("X-Intdash-Token", SECRETS[2]).body(body);
    let answer = request.send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["uuid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_hook_is_made_listed_tested_and_removed() {
    let (site, intdash, hook) = site(json!({"project": PROJECT})).await;
    let intdash_does = |does: &'static str| ["register", "intdash", does, "intdash"];
    let none = site.run(&intdash_does("list")).await;
    assert_eq!(
        (none.code, none.out.as_str()),
        (Some(0), "no hooks\n"),
        "{none:?}"
    );
    let create = [&intdash_does("create")[..], &["--url", &hook, "--yes"]].concat();
    let created = site.run(&create).await;
    assert!(
        created.code == Some(0) && created.out.contains("registered: hook "),
        "{created:?}"
    );

    let listed = site
        .run(&[&intdash_does("list")[..], &["--json"]].concat())
        .await;
    let shown = listed.last();
    assert_eq!(shown["url"], json!(format!("{hook}/[url_key]")));
    assert_eq!(
        (&shown["events"], &shown["enabled"]),
        (&json!(["measurements_event"]), &json!(true))
    );
    let uuid = shown["uuid"].as_str().unwrap();

    // It goes to the function, signed with the source's secret, and is taken.
    let test = [&intdash_does("test")[..], &[uuid]].concat();
    let tested = site.run(&test).await;
    assert_eq!(
        (tested.code, tested.out.as_str()),
        (Some(0), "test delivery succeeded, answered 200\n"),
        "{tested:?}"
    );
    let told = site.run(&[&test[..], &["--json"]].concat()).await.last();
    assert_eq!(
        told,
        json!({"status": "succeeded", "answered": 200, "reason": ""})
    );

    let remove = [&intdash_does("remove")[..], &[uuid]].concat();
    let refused = site.answering(&remove, "n\n").await;
    assert!(
        refused.code == Some(1) && refused.out.contains("/hooks/intdash/[url_key]"),
        "{refused:?}"
    );
    let dry = site.run(&[&remove[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    let removals = || {
        intdash
            .requests()
            .into_iter()
            .filter(|request| request.starts_with("DELETE"))
    };
    assert_eq!(removals().count(), 0);
    let removed = site.answering(&remove, "y\n").await;
    assert_eq!(removed.code, Some(0), "{removed:?}");
    let expected = format!("DELETE /api/projects/{PROJECT}/hooks/{uuid}");
    assert_eq!(removals().collect::<Vec<_>>(), [expected]);
    let gone = site.run(&test).await;
    assert!(gone.code == Some(2) && gone.err.contains("404"), "{gone:?}");
}

#[tokio::test]
async fn a_newer_server_is_asked_at_its_own_path_and_by_its_own_method() {
    let (site, intdash, hook) = site(json!({"hooks_path": V27, "project": PROJECT})).await;
    let create = ["register", "intdash", "intdash", "--url", &hook, "--yes"];
    assert_eq!(site.run(&create).await.code, Some(0));
    let listed = site
        .run(&["register", "intdash", "list", "intdash", "--json"])
        .await
        .last();
    let uuid = listed["uuid"].as_str().unwrap();
    let tested = site
        .run(&["register", "intdash", "test", "intdash", uuid])
        .await;
    assert!(tested.out.contains("succeeded"), "{tested:?}");
    let collection = V27.replace("{project}", PROJECT);
    let asked = intdash.requests();
    assert_eq!(
        asked.last().unwrap(),
        &format!("TEST {collection}/{uuid}/test")
    );
    // What is asked for goes before what is set.
    let elsewhere = [
        "--path",
        "/api/projects/{project}/hooks",
        "--project",
        "another",
    ];
    let listed = site
        .run(&[&["register", "intdash", "list", "intdash"], &elsewhere[..]].concat())
        .await;
    assert_eq!(listed.out, "no hooks\n", "{listed:?}");
    assert_eq!(
        intdash.requests().last().unwrap(),
        "GET /api/projects/another/hooks"
    );
}

#[tokio::test]
async fn a_test_delivery_that_is_refused_or_does_not_arrive_is_told_without_secrets() {
    let (site, _, hook) = site(json!({})).await;
    let path = "/api/projects/00000000-0000-0000-0000-000000000000/hooks";
    let test = async |url: &str| {
        let uuid = made(&site, path, url).await;
        site.run(&["register", "intdash", "test", "intdash", &uuid])
            .await
    };
    let wrong = test(&format!("{hook}/guessed-Zq1")).await;
    assert!(
        wrong.code == Some(1) && wrong.out.contains("failed, answered 404"),
        "{wrong:?}"
    );
    let nowhere = test("http://127.0.0.1:9/hooks/intdash/guessed-Zq2").await;
    assert!(
        nowhere.code == Some(1) && nowhere.out.contains("no answer"),
        "{nowhere:?}"
    );
    assert!(
        nowhere.out.contains("/hooks/intdash/[url_key]"),
        "{nowhere:?}"
    );
    for uuid in ["../users", "a/b", ""] {
        let odd = site
            .run(&["register", "intdash", "test", "intdash", uuid])
            .await;
        assert!(
            odd.code == Some(2) && odd.err.contains("the UUID of a hook"),
            "{odd:?}"
        );
    }
    made(
        &site,
        path,
        "https://user:pass-Zq3@other.example/T0/secret-Zq4?token=Zq5",
    )
    .await;
    made(
        &site,
        path,
        "https://x.example/prod/hooks/intdash?token=Zq6",
    )
    .await;
    let listed = site.run(&["register", "intdash", "list", "intdash"]).await;
    assert!(!listed.out.contains("Zq"), "{listed:?}");
    for shown in [
        "  https://other.example/[redacted]  ",
        "  https://x.example/prod/hooks/intdash?[redacted]  ",
        "  http://127.0.0.1:9/hooks/intdash/[url_key]  ",
    ] {
        assert!(listed.out.contains(shown), "{shown}: {listed:?}");
    }
}

#[tokio::test]
async fn a_hook_on_the_second_page_is_found() {
    let (site, _, hook) = site(json!({})).await;
    let path = "/api/projects/00000000-0000-0000-0000-000000000000/hooks";
    for index in 0..100 {
        made(&site, path, &format!("https://x.example/{index}")).await;
    }
    made(&site, path, &format!("{hook}/{}", SECRETS[3])).await;
    let listed = site.run(&["register", "intdash", "list", "intdash"]).await;
    assert_eq!(listed.out.lines().count(), 101, "{listed:?}");
    let again = site
        .run(&["register", "intdash", "intdash", "--url", &hook, "--yes"])
        .await;
    assert!(again.out.contains("there already"), "{again:?}");
}
