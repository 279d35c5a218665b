//! The inbox from outside: who is let in, what is shown of what senders sent, and endpoints of one's own.

mod actions;
mod doors;
mod endpoints;
mod gateway;
mod hostile;
mod loops;
mod sessions;
mod shapes;
mod strangers;

use crate::world::{World, secrets, vk};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use hookwork::http::Peer;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tower::ServiceExt as _;

/// What opens the inbox.
const INBOX_TOKEN: &str = "Zq81-inbox-token-of-tests";
const SECRET: &str = "Zq82-secret-of-the-sender";
const URL_KEY: &str = "Zq83-url-key";
/// The id of no delivery, and the name of no endpoint.
const NOBODY: &str = "0192f5a0-0000-7000-8000-000000000000";
const UNKNOWN: &str = "k3v9k3v9k3v9k3v9";

/// A function with an inbox, by a clock of the test's own.
struct Desk {
    world: World,
    router: Router,
    now: Arc<AtomicU64>,
}

/// What a request was answered with.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// The sources of a desk: the usual ones, one that signs, one behind an unguessable URL, one that anybody may post to.
fn sources(s3_url: &str, intdash_url: &str) -> (Value, Value) {
    let sources = json!({
        "vk": vk(s3_url, json!({})), "intdash": {"kind": "intdash", "url": intdash_url},
        "hub": {"kind": "generic", "verify": "github"}, "keyed": {"kind": "generic", "verify": "none"},
        "open": {"kind": "generic", "verify": "none"},
    });
    let mut secrets = secrets();
    secrets["hub"] = json!({"secrets": [SECRET]});
    secrets["keyed"] = json!({"url_key": URL_KEY});
    secrets["open"] = json!({});
    secrets["inbox"] = json!({"token": INBOX_TOKEN});
    (sources, secrets)
}

impl Desk {
    async fn new() -> Self {
        Self::of(World::with_state(sources).await)
    }

    fn of(world: World) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = Arc::new(AtomicU64::new(since.as_secs()));
        let ticks = Arc::clone(&now);
        let clock = move || UNIX_EPOCH + Duration::from_secs(ticks.load(Ordering::Relaxed));
        Self {
            router: hookwork::http::router_at(world.app().clone(), Arc::new(clock)),
            world,
            now,
        }
    }

    fn wait(&self, time: Duration) {
        self.now.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    async fn send(&self, request: Request<Body>) -> Seen {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        Seen {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// By somebody with the token.
    async fn call(&self, method: &str, path: &str, body: Value) -> Seen {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", "127.0.0.1:8080");
        let request = request.header("authorization", format!("Bearer {INBOX_TOKEN}"));
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Seen {
        self.call("GET", path, Value::Null).await
    }

    /// The JSON of a page that there is.
    async fn read(&self, path: &str) -> Value {
        let seen = self.get(path).await;
        assert_eq!(seen.status, 200, "{path}: {:?}", seen.body);
        seen.json()
    }

    async fn login_with(&self, token: &str, from: &str) -> Seen {
        let request = Request::post("/inbox/api/login");
        let body = json!({ "token": token }).to_string();
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(Peer(from.parse().unwrap()));
        self.send(request).await
    }

    /// The cookie of a new session.
    async fn login(&self) -> String {
        let seen = self.login_with(INBOX_TOKEN, "192.0.2.1").await;
        assert_eq!(seen.status, 204, "{:?}", seen.body);
        let cookie = seen.header("set-cookie");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// All that the state bucket has, with the names of its files.
    fn state(&self) -> Vec<u8> {
        let keys = self.world.store.keys("state");
        let files = keys.iter().flat_map(|key| {
            let object = self.world.store.get("state", key).unwrap();
            [key.as_bytes().to_vec(), object.body().to_vec()].concat()
        });
        files.collect()
    }
}

fn holds(bytes: &[u8], part: &str) -> bool {
    bytes
        .windows(part.len())
        .any(|window| window == part.as_bytes())
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// What every answer says to browsers.
fn guarded(seen: &Seen, is_page: bool) {
    let said = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ];
    for (name, value) in said {
        assert_eq!(seen.header(name), value);
        assert_eq!(seen.headers.get_all(name).iter().count(), 1, "{name}");
    }
    assert!(seen.header("permissions-policy").contains("camera=()"));
    if !is_page {
        assert_eq!(
            seen.header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'"
        );
    }
}
