//! Sessions and wrong tokens: how long one counts, what ends it, and how often somebody may be wrong.

use super::{Desk, INBOX_TOKEN, guarded, holds, request, sources};
use crate::world::{Logs, TOPIC, World, app, variables};
use axum::Router;
use axum::body::Body;
use hookwork::http::Peer;
use http::Request;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test]
async fn a_session_lets_in_for_twelve_hours_and_can_be_left() {
    let desk = Desk::new().await;
    let seen = desk.login_with(INBOX_TOKEN, "192.0.2.1").await;
    let cookie = seen.header("set-cookie").to_owned();
    assert_eq!((seen.status, seen.body.len()), (204, 0));
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200; Secure"),
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
        "__Host-hookwork_inbox=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0; Secure"
    );
}

#[tokio::test]
async fn a_cookie_that_is_not_the_very_same_lets_nobody_in() {
    let desk = Desk::new().await;
    let cookie = desk.login().await;
    let value = cookie.strip_prefix("__Host-hookwork_inbox=").unwrap();
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
        let cookie = format!("__Host-hookwork_inbox={wrong}");
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
        let cookie = seen.header("set-cookie").to_owned();
        assert_eq!(cookie.ends_with("; Secure"), secure, "{from}");
        assert_eq!(cookie.starts_with("__Host-"), secure, "{from}");
        assert_eq!(cookie.contains("; Path=/; "), secure, "{from}");
        // Each counts where it was given, and the one without TLS nowhere else.
        let cookie = cookie.split(';').next().unwrap();
        let look = async |from: &str| {
            let mut look = request("GET", "/inbox/api/sources", &[("cookie", cookie)]);
            look.extensions_mut().insert(Peer(from.parse().unwrap()));
            desk.send(look).await.status
        };
        assert_eq!(look("127.0.0.1").await, 200);
        assert_eq!(look("192.0.2.1").await, if secure { 200 } else { 401 });
    }
}

#[tokio::test]
async fn a_right_cookie_counts_whatever_others_come_before_it() {
    let desk = Desk::new().await;
    let right = desk.login().await;
    let name = right.split('=').next().unwrap();
    for others in [1, 4, 5, 50, 400] {
        let junk: Vec<_> = (0..others).map(|at| format!("{name}=1.{at}.x")).collect();
        let cookies = format!("{}; {right}; a=b", junk.join("; "));
        let seen = desk
            .send(request(
                "GET",
                "/inbox/api/sources",
                &[("cookie", &cookies)],
            ))
            .await;
        assert_eq!(seen.status, 200, "{others}");
    }
    let many = format!("{name}=x; ").repeat(100_000);
    let seen = desk
        .send(request("GET", "/inbox/api/sources", &[("cookie", &many)]))
        .await;
    assert_eq!(seen.status, 401);
}

#[tokio::test]
async fn wrong_tokens_are_bounded_and_the_right_one_always_lets_in() {
    let desk = Desk::new().await;
    let me = "192.0.2.1";
    let bearer = async |token: &str| {
        let mut get = request(
            "GET",
            "/inbox/api/sources",
            &[("authorization", &format!("Bearer {token}"))],
        );
        get.extensions_mut().insert(Peer(me.parse().unwrap()));
        desk.send(get).await
    };
    for _ in 0..3 {
        assert_eq!(desk.login_with("wrong", me).await.status, 401);
    }
    for _ in 0..2 {
        assert_eq!(bearer("wrong").await.status, 401);
    }
    let limited = desk.login_with("wrong", me).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, "60"));
    guarded(&limited, false);
    assert!(limited.json()["error"].is_string());
    assert_eq!(bearer("wrong").await.status, 429);
    assert_eq!(
        bearer(INBOX_TOKEN).await.status,
        200,
        "from the same address"
    );
    assert_eq!(desk.login_with(INBOX_TOKEN, me).await.status, 204);
    for host in 0..12 {
        for _ in 0..10 {
            desk.login_with("wrong", &format!("198.51.100.{host}"))
                .await;
        }
    }
    let other = "203.0.113.9";
    assert_eq!(
        desk.login_with("wrong", other).await.status,
        429,
        "all together"
    );
    for _ in 0..100 {
        assert_eq!(desk.login_with(INBOX_TOKEN, other).await.status, 204);
    }
    assert_eq!(bearer(INBOX_TOKEN).await.status, 200);
    let near = [
        &INBOX_TOKEN[..24],
        &format!("{INBOX_TOKEN}x"),
        &INBOX_TOKEN.to_uppercase(),
        "",
    ];
    for wrong in near {
        assert_eq!(desk.login_with(wrong, other).await.status, 429, "{wrong}");
    }
    desk.wait(Duration::from_secs(60));
    assert_eq!(desk.login_with("wrong", me).await.status, 401);
}

#[tokio::test]
async fn a_token_that_could_be_guessed_is_told_in_the_log() {
    for (token, told) in [("0123456789abcdef", true), (INBOX_TOKEN, false)] {
        let world = World::with_state(|s3_url, intdash_url| {
            let (sources, mut secrets) = sources(s3_url, intdash_url);
            secrets["inbox"] = json!({ "token": token });
            (sources, secrets)
        });
        let desk = Desk::of(world.await);
        let logs = Logs::new();
        for _ in 0..3 {
            assert_eq!(desk.login_with(token, "192.0.2.1").await.status, 204);
        }
        let lines = logs.text().matches("could be guessed").count();
        assert_eq!(lines, usize::from(told), "once");
        assert!(!logs.text().contains(token));
    }
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
    let nowhere = request("GET", "/inbox/api/nowhere", &[("cookie", &cookie)]);
    desk.send(nowhere).await;
    desk.send(request("GET", "/inbox/hunter2hunter2hunter2", &[]))
        .await;
    let text = logs.text();
    let value = cookie.strip_prefix("__Host-hookwork_inbox=").unwrap();
    assert!(
        text.contains("somebody logs in to the inbox")
            && text.contains("a wrong token of the inbox"),
        "{text}"
    );
    assert!(
        text.contains("/api/nowhere"),
        "of who is let in it is told what he asked for: {text}"
    );
    for secret in [INBOX_TOKEN, "hunter2", value] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(!holds(&desk.state(), INBOX_TOKEN));
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
