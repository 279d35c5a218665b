//! Who is let in: nobody without the token or a session, and no other site by a browser that has one.

use super::{Desk, INBOX_TOKEN, Seen, holds, sources};
use crate::world::{Logs, TOPIC, World, app, variables};
use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookwork::http::Peer;
use http::Request;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ID: &str = "0192f5a0-0000-7000-8000-000000000000";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Every route, as the source names it.
const ROUTES: [&str; 13] = [
    "/",
    "/api/deliveries",
    "/api/deliveries/{id}",
    "/api/deliveries/{id}/body",
    "/api/deliveries/{id}/fixture",
    "/api/deliveries/{id}/replay",
    "/api/endpoints",
    "/api/endpoints/{endpoint}",
    "/api/login",
    "/api/logout",
    "/api/mirror",
    "/api/mirror/held",
    "/api/sources",
];
const NOT_A_ROUTE: [&str; 5] = [
    "/nowhere",
    "/api",
    "/api/",
    "/api/deliveries/a/b/c",
    "/page.html",
];

fn paths() -> impl Iterator<Item = String> {
    let routes = ROUTES.iter().chain(&NOT_A_ROUTE);
    let routes = routes.map(|route| {
        format!(
            "/inbox{}",
            route.replace("{id}", ID).replace("{endpoint}", "k3v9")
        )
    });
    routes.chain(["/inbox".to_owned()])
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[test]
fn the_table_has_every_route_of_the_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut files = vec![folder.join("inbox.rs")];
    files.extend(
        std::fs::read_dir(folder.join("inbox"))
            .unwrap()
            .map(|file| file.unwrap().path()),
    );
    let sources: Vec<_> = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let routes = sources
        .iter()
        .flat_map(|text| text.split(".route(\"").skip(1));
    let mut routes: Vec<_> = routes.map(|rest| rest.split('"').next().unwrap()).collect();
    routes.sort_unstable();
    assert_eq!(routes, ROUTES);
}

#[tokio::test]
async fn nothing_is_told_or_done_without_a_login() {
    let desk = Desk::new().await;
    let cookies = [
        String::new(),
        "hookwork_inbox=".to_owned(),
        "hookwork_inbox=1.9999999999.AAAA".to_owned(),
    ];
    for path in paths() {
        for method in METHODS {
            let is_login = path == "/inbox/api/login" && method == "POST";
            let is_page =
                ["/inbox", "/inbox/"].contains(&path.as_str()) && ["GET", "HEAD"].contains(&method);
            for cookie in &cookies {
                let headers = [("cookie", cookie.as_str()), ("x-hookwork-inbox", "1")];
                let seen = desk.send(request(method, &path, &headers)).await;
                let expected = if is_login { 400 } else { 401 };
                assert_eq!(seen.status, expected, "{method} {path}");
                if !is_page && !is_login && method != "HEAD" {
                    assert_eq!(
                        seen.json(),
                        json!({"error": "log in first"}),
                        "{method} {path}"
                    );
                }
                guarded(&seen, is_page);
            }
        }
    }
    assert_eq!(
        desk.world.faults.calls(),
        [],
        "nothing was asked of the store"
    );
}

/// What every answer says to browsers.
fn guarded(seen: &Seen, is_page: bool) {
    let said = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in said {
        assert_eq!(seen.header(name), value);
        assert_eq!(seen.headers.get_all(name).iter().count(), 1, "{name}");
    }
    if !is_page {
        assert_eq!(
            seen.header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'"
        );
    }
}

#[tokio::test]
async fn every_answer_to_who_is_let_in_is_guarded_too() {
    let desk = Desk::new().await;
    for path in paths() {
        for method in METHODS {
            let seen = desk.call(method, &path, Value::Null).await;
            assert_ne!(seen.status, 401, "{method} {path}");
            let is_page =
                ["/inbox", "/inbox/"].contains(&path.as_str()) && ["GET", "HEAD"].contains(&method);
            guarded(&seen, is_page);
            if NOT_A_ROUTE.iter().any(|route| path.ends_with(route)) {
                assert_eq!(seen.status, 404, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_is_one_file_whose_policy_names_its_own_script_and_style() {
    let desk = Desk::new().await;
    let cookie = desk.login().await;
    let with = desk
        .send(request("GET", "/inbox", &[("cookie", &cookie)]))
        .await;
    let without = desk.send(request("GET", "/inbox/", &[])).await;
    assert_eq!((with.status, without.status), (200, 401));
    assert_eq!(with.body, without.body, "no data is in it");
    assert_eq!(with.header("content-type"), "text/html; charset=utf-8");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/inbox/page.html");
    let file = std::fs::read_to_string(file).unwrap();
    assert_eq!(with.body, file);
    let hash = |element: &str| {
        let from = file.find(&format!("<{element}>")).unwrap() + element.len() + 2;
        let to = file.find(&format!("</{element}>")).unwrap();
        STANDARD.encode(Sha256::digest(&file[from..to]))
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        hash("script"),
        hash("style"),
    );
    assert_eq!(with.header("content-security-policy"), policy);
    assert_eq!(without.header("content-security-policy"), policy);
}

#[tokio::test]
async fn a_session_lets_in_for_twelve_hours_and_can_be_left() {
    let desk = Desk::new().await;
    let seen = desk.login_with(INBOX_TOKEN, "192.0.2.1").await;
    let cookie = seen.header("set-cookie").to_owned();
    assert_eq!((seen.status, seen.body.len()), (204, 0));
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/inbox; Max-Age=43200; Secure"),
        "{cookie}"
    );
    guarded(&seen, false);
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let list = async |cookie: &str| {
        let cookie = format!("theme=dark; {cookie}; x=y");
        desk.send(request(
            "GET",
            "/inbox/api/deliveries",
            &[("cookie", &cookie)],
        ))
        .await
        .status
    };
    assert_eq!(list(&cookie).await, 200);
    desk.wait(Duration::from_secs(43_199));
    assert_eq!(list(&cookie).await, 200);
    desk.wait(Duration::from_secs(1));
    assert_eq!(list(&cookie).await, 401, "it has expired");
    let cookie = desk.login().await;
    let out = desk
        .send(request(
            "POST",
            "/inbox/api/logout",
            &[("cookie", &cookie), ("x-hookwork-inbox", "1")],
        ))
        .await;
    assert_eq!(out.status, 204);
    assert_eq!(
        out.header("set-cookie"),
        "hookwork_inbox=; HttpOnly; SameSite=Strict; Path=/inbox; Max-Age=0; Secure"
    );
}

#[tokio::test]
async fn a_cookie_that_is_not_the_very_same_lets_nobody_in() {
    let desk = Desk::new().await;
    let cookie = desk.login().await;
    let value = cookie.strip_prefix("hookwork_inbox=").unwrap();
    let mut flipped = value.to_owned();
    flipped.replace_range(20..21, if &value[20..21] == "A" { "B" } else { "A" });
    let later = value.replacen(&value[2..4], "99", 1);
    let none = format!("1.{}.", &value[2..12]);
    let long = format!("{value}{}", "A".repeat(10_000));
    for wrong in [
        &value[..value.len() - 1],
        &value[1..],
        &flipped,
        &later,
        &none,
        &long,
        "",
        "null",
        "1",
    ] {
        let cookie = format!("hookwork_inbox={wrong}");
        let seen = desk
            .send(request("GET", "/inbox/api/sources", &[("cookie", &cookie)]))
            .await;
        assert_eq!(seen.status, 401, "{wrong}");
    }
    let other = sources("http://127.0.0.1:1", "http://127.0.0.1:1");
    let mut secrets = other.1;
    secrets["inbox"]["token"] = json!("another-token-of-the-inbox");
    let other = Desk::of(World::with_state(|_, _| (other.0, secrets)).await);
    let seen = other
        .send(request("GET", "/inbox/api/sources", &[("cookie", &cookie)]))
        .await;
    assert_eq!(seen.status, 401, "it is of another token");
}

#[tokio::test]
async fn on_this_machine_and_in_plain_the_cookie_goes_without_tls() {
    let desk = Desk::new().await;
    for (from, proxied, secure) in [
        ("127.0.0.1", false, false),
        ("::1", false, false),
        ("127.0.0.1", true, true),
        ("192.0.2.1", false, true),
    ] {
        let mut login = Request::post("/inbox/api/login");
        if proxied {
            login = login.header("x-forwarded-proto", "https");
        }
        let mut login = login
            .body(Body::from(json!({"token": INBOX_TOKEN}).to_string()))
            .unwrap();
        login.extensions_mut().insert(Peer(from.parse().unwrap()));
        let seen = desk.send(login).await;
        assert_eq!(
            seen.header("set-cookie").ends_with("; Secure"),
            secure,
            "{from}"
        );
    }
}

#[tokio::test]
async fn with_a_cookie_nothing_is_changed_without_the_pages_own_header() {
    let desk = Desk::new().await;
    let cookie = desk.login().await;
    for (method, path) in [
        ("POST", "/inbox/api/endpoints"),
        ("POST", "/inbox/api/logout"),
        ("POST", "/inbox/api/mirror/held"),
        ("DELETE", "/inbox/api/endpoints/x"),
        ("POST", &format!("/inbox/api/deliveries/{ID}/replay")),
        ("PUT", "/inbox"),
    ] {
        for headers in [
            &[("cookie", cookie.as_str())][..],
            &[("cookie", &cookie), ("x-hookwork-inbox", "0")],
        ] {
            let seen = desk.send(request(method, path, headers)).await;
            assert_eq!(seen.status, 403, "{method} {path}");
            guarded(&seen, false);
        }
        let seen = desk
            .send(request(
                method,
                path,
                &[("cookie", &cookie), ("x-hookwork-inbox", "1")],
            ))
            .await;
        assert!(![401, 403].contains(&seen.status), "{method} {path}");
        let bearer = format!("Bearer {INBOX_TOKEN}");
        let seen = desk
            .send(request(method, path, &[("authorization", &bearer)]))
            .await;
        assert!(![401, 403].contains(&seen.status), "{method} {path}");
    }
    assert_eq!(desk.world.store.keys("state"), [""; 0]);
}

#[tokio::test]
async fn who_is_wrong_too_often_waits_whatever_way_he_tries() {
    let desk = Desk::new().await;
    let (me, other) = ("192.0.2.1", "2001:db8::1");
    for _ in 0..3 {
        assert_eq!(desk.login_with("wrong", me).await.status, 401);
    }
    let bearer = async |token: &str| {
        let mut get = request(
            "GET",
            "/inbox/api/sources",
            &[("authorization", &format!("Bearer {token}"))],
        );
        get.extensions_mut().insert(Peer(me.parse().unwrap()));
        desk.send(get).await
    };
    for _ in 0..2 {
        assert_eq!(bearer("wrong").await.status, 401);
    }
    let locked = desk.login_with(INBOX_TOKEN, me).await;
    assert_eq!((locked.status, locked.header("retry-after")), (429, "60"));
    guarded(&locked, false);
    assert!(locked.json()["error"].is_string());
    assert_eq!(
        bearer(INBOX_TOKEN).await.status,
        429,
        "the right one is not looked at"
    );
    assert_eq!(desk.login_with(INBOX_TOKEN, other).await.status, 204);
    for _ in 0..100 {
        assert_eq!(
            desk.login_with(INBOX_TOKEN, other).await.status,
            204,
            "what is right does not count"
        );
    }
    desk.wait(Duration::from_secs(60));
    assert_eq!(desk.login_with(INBOX_TOKEN, me).await.status, 204);
    let mut last = 0;
    for host in 0..70 {
        last = desk
            .login_with("wrong", &format!("198.51.100.{host}"))
            .await
            .status;
    }
    assert_eq!(last, 429, "all together");
    assert_eq!(
        desk.login_with(INBOX_TOKEN, "203.0.113.9").await.status,
        429
    );
}

#[tokio::test]
async fn a_login_that_is_none_is_told_what_was_expected_and_nothing_of_it_is_repeated() {
    let desk = Desk::new().await;
    for body in [
        "",
        "{}",
        "[]",
        "{\"token\":7}",
        "{\"token\":\"hunter2\",\"x\":1}",
        "hunter2",
    ] {
        let seen = desk
            .send(
                Request::post("/inbox/api/login")
                    .body(Body::from(body))
                    .unwrap(),
            )
            .await;
        assert_eq!(
            seen.json(),
            json!({"error": "expected {\"token\":\"…\"}"}),
            "{body}"
        );
        assert_eq!(seen.status, 400, "{body}");
    }
    let long = "x".repeat(20_000);
    assert_eq!(desk.login_with(&long, "192.0.2.1").await.status, 413);
}

#[tokio::test]
async fn no_token_and_no_session_is_ever_logged() {
    let desk = Desk::new().await;
    let logs = Logs::new();
    let cookie = desk.login().await;
    desk.login_with("hunter2hunter2hunter2", "192.0.2.1").await;
    desk.get("/inbox/api/sources").await;
    desk.send(request("GET", "/inbox", &[("cookie", &cookie)]))
        .await;
    desk.send(request("GET", "/inbox/hunter2hunter2hunter2", &[]))
        .await;
    let text = logs.text();
    let value = cookie.strip_prefix("hookwork_inbox=").unwrap();
    assert!(
        text.contains("somebody logs in to the inbox")
            && text.contains("a wrong token of the inbox"),
        "{text}"
    );
    assert!(
        text.contains("/api/sources"),
        "who is let in is told what he asked for: {text}"
    );
    for secret in [INBOX_TOKEN, "hunter2", value] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(!holds(&desk.state(), INBOX_TOKEN));
}

#[tokio::test]
async fn without_a_token_that_is_long_enough_there_is_no_way_in() {
    for inbox in [Value::Null, json!({"token": "x".repeat(15)})] {
        let world = World::with_state(|s3_url, intdash_url| {
            let (sources, mut secrets) = sources(s3_url, intdash_url);
            secrets.as_object_mut().unwrap().remove("inbox");
            if !inbox.is_null() {
                secrets["inbox"] = inbox;
            }
            (sources, secrets)
        });
        let desk = Desk::of(world.await);
        let logs = Logs::new();
        for path in ["/inbox", "/inbox/api/sources", "/inbox/nowhere"] {
            let seen = desk
                .send(request(
                    "GET",
                    path,
                    &[("authorization", "Bearer xxxxxxxxxxxxxxx")],
                ))
                .await;
            assert_eq!(seen.status, 500, "{path}");
            assert_eq!(
                seen.json(),
                json!({"error": "the inbox is not set up: the log says what it wants"})
            );
            guarded(&seen, false);
        }
        assert_eq!(
            desk.login_with(&"x".repeat(15), "192.0.2.1").await.status,
            500
        );
        assert!(logs.text().contains("at least 16 characters"));
    }
}

#[tokio::test]
async fn without_a_state_bucket_there_is_no_inbox() {
    let desk = Desk::of(World::with(sources).await);
    for path in [
        "/inbox",
        "/inbox/",
        "/inbox/api/login",
        "/inbox/api/deliveries",
        "/in/k3v9k3v9k3v9k3v9",
    ] {
        for method in ["GET", "POST"] {
            let seen = desk.call(method, path, Value::Null).await;
            assert_eq!(seen.status, 404, "{method} {path}");
            assert_eq!(seen.json(), json!({"error": "no such route"}));
        }
    }
}

/// Secrets Manager with one secret.
async fn manager(secret: Arc<Mutex<Value>>) -> String {
    let answer = async move || {
        let text = secret.lock().unwrap().to_string();
        json!({"ARN": "arn", "Name": "name", "SecretString": text}).to_string()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_token_that_is_changed_ends_every_session_within_five_minutes() {
    let world = World::with_state(sources).await;
    let secret = |token: &str| json!({"inbox": {"token": token}, "open": {}});
    let stored = Arc::new(Mutex::new(secret("the-token-of-monday")));
    let manager = manager(Arc::clone(&stored)).await;
    let sources = json!({"open": {"kind": "generic", "verify": "none"}});
    let setting = variables(&sources, &json!({}), "backup", Some("state"));
    let setting = move |key: &str| match key {
        "SECRETS" => None,
        "SECRETS_ARN" => Some("inbox".to_owned()),
        "SNS_TOPIC_ARN" => Some(TOPIC.to_owned()),
        key => setting(key),
    };
    let app = app(setting, "http://127.0.0.1:1", &manager).await;
    let router = hookwork::http::router(app);
    let desk = Desk {
        router,
        ..Desk::of(world)
    };
    let seen = desk.login_with("the-token-of-monday", "192.0.2.1").await;
    let cookie = seen
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let look = async || {
        desk.send(request("GET", "/inbox/api/sources", &[("cookie", &cookie)]))
            .await
            .status
    };
    assert_eq!(look().await, 200);
    *stored.lock().unwrap() = secret("the-token-of-tuesday");
    assert_eq!(look().await, 200, "it is not known yet");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    tokio::time::resume();
    assert_eq!(look().await, 401);
    assert_eq!(
        desk.login_with("the-token-of-monday", "192.0.2.1")
            .await
            .status,
        401
    );
    assert_eq!(
        desk.login_with("the-token-of-tuesday", "192.0.2.1")
            .await
            .status,
        204
    );
}

#[test]
fn a_source_cannot_be_called_as_the_inboxs_secrets_are() {
    let sources = json!({"inbox": {"kind": "generic", "verify": "none"}, "a": {"kind": "generic", "verify": "none", "path": "/in/x"}});
    let setting = variables(&sources, &json!({}), "backup", None);
    let problems = hookwork::config::Config::from_lookup(setting)
        .unwrap_err()
        .0;
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("SOURCES: inbox: ")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("/inbox and /in")),
        "{problems:?}"
    );
    assert_eq!(problems.len(), 2);
}
