//! `hookctl replay`: a delivery received again by the function's own rules, or posted as it came to a handler of one's own.

use super::{SECRETS, Site};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A request as it came to a handler.
type Came = (http::request::Parts, Bytes);

/// A developer's own handler: answers everything in this way.
struct Handler {
    url: String,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Handler {
    async fn new(answer: fn() -> Response) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let seen = Arc::clone(&came);
        let router = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            seen.lock().unwrap().push((parts, body));
            answer()
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, came }
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}

/// A delivery that is refused, with bytes that are no text in body and header, and with secrets; returns its id.
async fn hostile(site: &Site) -> String {
    let request = http::Request::post("/hooks/intdash?access_token=hunter2")
        .header("content-type", "application/json")
        .header("x-raw", HeaderValue::from_bytes(b"caf\xe9").unwrap())
        .header("x-twice", "one")
        .header("x-twice", "two")
        .header("authorization", format!("Bearer {}", SECRETS[2]))
        .header("x-intdash-signature-256", "d3Jvbmc=")
        .header("connection", "keep-alive")
        .header("keep-alive", "timeout=5")
        .header("host", "example.com")
        .header("content-length", "4");
    let answer = site
        .asked(request.body(Body::from(&b"\xff\0{}"[..])).unwrap())
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    answer.json()["delivery"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn posts_method_headers_and_body_as_they_came_but_for_secrets_and_what_belongs_to_the_way() {
    let site = Site::new(json!({}), true).await;
    let id = hostile(&site).await;
    let handler = Handler::new(|| "taken \u{1b}[2J".into_response()).await;
    let to = format!("{}/webhook?mine=1", handler.url);
    let ran = site.run(&["replay", &id, "--to", &to]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("200  "), "{ran:?}");
    assert!(ran.out.ends_with(" ms\ntaken \\u{1b}[2J\n"), "{ran:?}");
    assert_eq!(ran.err, "left out: authorization\n");

    let [(head, body)] = &handler.came()[..] else {
        panic!("one request")
    };
    assert_eq!(
        (head.method.as_str(), &body[..]),
        ("POST", &b"\xff\0{}"[..])
    );
    assert_eq!(head.uri, "/webhook?mine=1");
    assert_eq!(head.headers["x-raw"].as_bytes(), b"caf\xe9");
    assert_eq!(head.headers["x-intdash-signature-256"], "d3Jvbmc=");
    let twice: Vec<_> = head.headers.get_all("x-twice").iter().collect();
    assert_eq!(twice, ["one", "two"]);
    let host = handler.url.trim_start_matches("http://");
    assert_eq!(head.headers["host"], host);
    assert_eq!(head.headers.get_all("content-length").iter().count(), 1);
    for gone in ["authorization", "connection", "keep-alive"] {
        assert!(!head.headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn says_by_its_code_whether_the_handler_took_it_and_follows_nobody() {
    let site = Site::new(json!({}), true).await;
    let id = hostile(&site).await;
    let failing = Handler::new(|| {
        let body = "x".repeat(5000);
        (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
    });
    let failing = failing.await;
    let arguments = ["replay", &id, "--to", &failing.url, "--json"];
    let ran = site.run(&arguments).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told = ran.last();
    assert_eq!(
        (&told["status"], &told["goes_on"]),
        (&json!(500), &json!(true))
    );
    assert_eq!(told["body"].as_str().unwrap().len(), 1024);

    let elsewhere = Handler::new(|| {
        let at = [(http::header::LOCATION, "/elsewhere")];
        (StatusCode::TEMPORARY_REDIRECT, at).into_response()
    });
    let elsewhere = elsewhere.await;
    let ran = site.run(&["replay", &id, "--to", &elsewhere.url]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(elsewhere.came().len(), 1);

    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let ran = site.run(&["replay", &id, "--to", &url]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("no answer: "), "{ran:?}");
}

#[tokio::test]
async fn refuses_what_is_no_url_of_http_and_what_is_not_kept() {
    let site = Site::new(json!({}), true).await;
    let unknown = "0197a3c2-7e1f-7d3a-9b54-0f1e2d3c4b5a";
    for wrong in [
        "ftp://127.0.0.1/",
        "127.0.0.1:80",
        "http://me:pw@127.0.0.1/",
    ] {
        let ran = site.run(&["replay", unknown, "--to", wrong]).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("expected http://"), "{ran:?}");
    }
    let ran = site.run(&["replay", "0197"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("expected a delivery's id"), "{ran:?}");
    let long = http::Request::post("/hooks/nobody").body(Body::from(vec![b'x'; 5000]));
    let answer = site.asked(long.unwrap()).await;
    let cut = answer.json()["delivery"].as_str().unwrap().to_owned();
    let ran = site
        .run(&["replay", &cut, "--to", "http://127.0.0.1:1"])
        .await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("the first 4096 of its 5000 bytes"),
        "{ran:?}"
    );
    for more in [
        &["replay", unknown][..],
        &["replay", unknown, "--to", "http://127.0.0.1:1"],
    ] {
        let ran = site.run(more).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(
            ran.err.contains(&format!("no delivery {unknown} is kept")),
            "{ran:?}"
        );
    }
}

#[tokio::test]
async fn receives_it_again_by_the_functions_own_rules() {
    let mut site = Site::new(json!({}), true).await;
    site.put("a", "1");
    let id = site.told_of("a").await;
    site.store.delete("backup", "a");
    let ran = site.run(&["replay", &id]).await;
    assert_eq!(
        (ran.code, ran.out),
        (Some(0), format!("{id}: 1 job done\n"))
    );
    assert_eq!(site.bodies("backup")["a"], b"1");
    let attempts = site.store.keys("state");
    let again = attempts
        .iter()
        .filter(|key| key.contains(".replay.copied."));
    assert_eq!(again.count(), 1, "{attempts:?}");

    let refused = hostile(&site).await;
    let ran = site.run(&["replay", &refused]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("it is refused today, too"), "{ran:?}");

    site.store.delete("backup", "a");
    site.set("BACKUP_BUCKET", "nowhere");
    let ran = site.run(&["replay", &id, "--json"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("failed: 1 of 1 jobs failed"), "{ran:?}");
}
