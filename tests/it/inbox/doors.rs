//! Who is let in: nobody without the token or a session, by no route, and no other site by a browser that has one.

use super::{Desk, INBOX_TOKEN, NOBODY, guarded, request, sources};
use crate::world::{Logs, World, variables};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;

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
            route.replace("{id}", NOBODY).replace("{endpoint}", "k3v9")
        )
    });
    routes.chain(["/inbox".to_owned()])
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
        "__Host-hookwork_inbox=".to_owned(),
        "__Host-hookwork_inbox=1.9999999999.AAAA".to_owned(),
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
async fn with_a_cookie_nothing_is_changed_without_the_pages_own_header() {
    let desk = Desk::new().await;
    let cookie = desk.login().await;
    for (method, path) in [
        ("POST", "/inbox/api/endpoints"),
        ("POST", "/inbox/api/logout"),
        ("POST", "/inbox/api/mirror/held"),
        ("DELETE", "/inbox/api/endpoints/x"),
        ("POST", &format!("/inbox/api/deliveries/{NOBODY}/replay")),
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
