//! The inbox over many pages: the list, its filters, each delivery in full, downloads, endpoints.

use super::{bounded, small, text};
use crate::world::{World, created, delivery, secrets, vk};
use axum::body::Body;
use hookwork::domain::handshake::hex;
use hookwork::domain::signature::hmac_sha256;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tower::ServiceExt as _;

const TOKEN: &str = "small-inbox-token-of-tests";
const SECRET: &str = "small-secret-of-the-sender";
/// More looks than any list here takes.
const LOOKS: usize = 1_000;

/// A function with an inbox, and what it was sent, oldest first.
struct Desk {
    world: World,
    sent: Vec<Sent>,
}

struct Sent {
    id: String,
    source: Option<&'static str>,
    title: String,
    state: &'static str,
    attempts: usize,
}

impl Desk {
    async fn new() -> Self {
        let sources = |s3_url: &str, _: &str| {
            let sources = json!({
                "vk": vk(s3_url, json!({})), "hub": {"kind": "generic", "verify": "github"},
                "open": {"kind": "generic", "verify": "none"},
            });
            let mut secrets = secrets();
            secrets["hub"] = json!({"secrets": [SECRET]});
            secrets["open"] = json!({});
            secrets["inbox"] = json!({"token": TOKEN});
            (sources, secrets)
        };
        Self {
            world: World::with_state(sources).await,
            sent: Vec::new(),
        }
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Response<Vec<u8>> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", "127.0.0.1:8080");
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let router = hookwork::http::router(self.world.app().clone());
        let answer = router.oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, body.to_vec())
    }

    async fn read(&self, path: &str) -> Value {
        let answer = self.call("GET", path, &Value::Null).await;
        assert_eq!(answer.status(), 200, "{path}: {answer:?}");
        serde_json::from_slice(answer.body()).unwrap()
    }

    async fn post(&self, request: http::request::Builder, body: &str) -> String {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.world.send(request).await;
        text(&answer.json()["delivery"])
    }

    /// Deliveries of every kind, and some of them with many attempts.
    async fn fill(&mut self) {
        for number in 0..18 {
            // Ids tell milliseconds apart.
            tokio::time::sleep(Duration::from_millis(3)).await;
            let body = json!({"number": number, "text": "x".repeat(number * 40)}).to_string();
            let open = || Request::post("/hooks/open").header("x-event", "told");
            let (id, source, title, state) = match number % 6 {
                0 => {
                    self.world.put("key", body.clone());
                    let body = delivery([created("key")]);
                    let id = self.post(Request::post("/hooks/vk"), &body).await;
                    (id, Some("vk"), "key", "done")
                }
                1 | 2 => (self.post(open(), &body).await, Some("open"), "", "done"),
                3 => {
                    let signature = hex(&hmac_sha256(SECRET.as_bytes(), body.as_bytes()));
                    let request = Request::post("/hooks/hub")
                        .header("x-hub-signature-256", format!("sha256={signature}"))
                        .header("x-github-event", "push");
                    (self.post(request, &body).await, Some("hub"), "push", "done")
                }
                4 => {
                    let request = Request::post("/hooks/hub");
                    (self.post(request, &body).await, Some("hub"), "", "refused")
                }
                _ => {
                    let request = Request::post("/hooks/nobody");
                    (self.post(request, &body).await, None, "", "refused")
                }
            };
            let done = state == "done";
            let again = if done { number % 5 } else { 0 };
            for _ in 0..again {
                let path = format!("/inbox/api/deliveries/{id}/replay");
                let answer = self.call("POST", &path, &Value::Null).await;
                assert_eq!(answer.status(), 200, "{answer:?}");
            }
            self.sent.push(Sent {
                id,
                source,
                title: title.to_owned(),
                state,
                attempts: usize::from(done) + again,
            });
        }
    }

    /// All rows that a query has, page by page.
    async fn rows(&self, query: &str, limit: usize) -> Vec<Value> {
        let (mut rows, mut before) = (Vec::new(), String::new());
        for _ in 0..LOOKS {
            let path = format!("/inbox/api/deliveries?{query}&limit={limit}{before}");
            let page = self.read(&path).await;
            let new = page["deliveries"].as_array().unwrap();
            assert!(new.len() <= limit, "{page}");
            rows.extend(new.iter().cloned());
            let Some(older) = page["before"].as_str() else {
                return rows;
            };
            before = format!("&before={older}");
        }
        panic!("{query}: it has no end");
    }

    fn newest_first(&self, wanted: impl Fn(&Sent) -> bool) -> Vec<&Sent> {
        self.sent.iter().rev().filter(|sent| wanted(sent)).collect()
    }
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn every_delivery_is_listed_once_in_order_whatever_is_asked_for() {
    bounded(async {
        let mut desk = Desk::new().await;
        desk.fill().await;
        let most = small("inbox.row_attempts");
        for limit in 1..=small("inbox.rows_max") {
            let rows = desk.rows("", limit).await;
            let all = desk.newest_first(|_| true);
            assert_eq!(rows.len(), all.len(), "{limit}");
            for (row, sent) in rows.iter().zip(all) {
                let found = [&row["id"], &row["source"], &row["state"]];
                let wanted = [json!(sent.id), json!(sent.source), json!(sent.state)];
                assert_eq!(found, [&wanted[0], &wanted[1], &wanted[2]], "{limit}");
                let shown = row["attempts"].as_array().unwrap().len();
                let left_out = row["attempts_left_out"].as_u64().unwrap_or_default();
                assert_eq!(shown, sent.attempts.min(most), "{row}");
                assert_eq!(left_out, (sent.attempts - shown) as u64, "{row}");
            }
        }
        let one = &desk.sent[9].id;
        let when = |sent: &Sent| sent.id.clone();
        let ids = |sent: Vec<&Sent>| sent.into_iter().map(when).collect::<Vec<_>>();
        let since = desk.read(&format!("/inbox/api/deliveries/{one}")).await;
        let since = text(&since["received"]);
        let queries = [
            (
                "source=hub".to_owned(),
                ids(desk.newest_first(|sent| sent.source == Some("hub"))),
            ),
            (
                "source=-".to_owned(),
                ids(desk.newest_first(|sent| sent.source.is_none())),
            ),
            (
                "status=done".to_owned(),
                ids(desk.newest_first(|sent| sent.state == "done")),
            ),
            (
                "status=refused".to_owned(),
                ids(desk.newest_first(|sent| sent.state == "refused")),
            ),
            ("status=failed".to_owned(), Vec::new()),
            (
                "text=PUSH".to_owned(),
                ids(desk.newest_first(|sent| sent.title == "push")),
            ),
            (format!("text={one}"), vec![one.clone()]),
            (
                format!("after={since}"),
                ids(desk.newest_first(|sent| sent.id >= *one)),
            ),
            (
                format!("until={since}"),
                ids(desk.newest_first(|sent| sent.id <= *one)),
            ),
        ];
        for (query, wanted) in queries {
            let rows = desk.rows(&query, small("inbox.rows_max")).await;
            let rows: Vec<_> = rows.iter().map(|row| text(&row["id"])).collect();
            assert_eq!(rows, wanted, "{query}");
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn each_delivery_is_shown_with_its_newest_attempts_and_downloaded_whole() {
    bounded(async {
        let mut desk = Desk::new().await;
        desk.fill().await;
        for sent in &desk.sent {
            let path = format!("/inbox/api/deliveries/{}", sent.id);
            let shown = desk.read(&path).await;
            assert_eq!(shown["state"], sent.state, "{shown}");
            let history = shown["history"].as_array().unwrap();
            assert_eq!(history.len(), sent.attempts.min(small("inbox.attempts")));
            let times: Vec<_> = history.iter().map(|attempt| text(&attempt["at"])).collect();
            assert!(times.is_sorted(), "{times:?}");
            let newest = shown["attempts"].as_array().unwrap().last();
            let newest = newest.map(|attempt| text(&attempt["at"]));
            assert_eq!(times.last().cloned(), newest, "the newest are shown");
            let (mut whole, mut pieces) = (Vec::new(), 0);
            loop {
                let from = whole.len();
                let path = format!("{path}/body?from={from}");
                let piece = desk.call("GET", &path, &Value::Null).await;
                assert_eq!(piece.status(), 200, "{piece:?}");
                let all: usize = piece.headers()["x-total-bytes"]
                    .to_str()
                    .unwrap()
                    .parse()
                    .unwrap();
                whole.extend_from_slice(piece.body());
                pieces += 1;
                if whole.len() == all {
                    break;
                }
                assert_eq!(piece.body().len(), small("inbox.piece"));
            }
            let kept = small("record.strangers");
            assert!(sent.source.is_some() || whole.len() <= kept);
            assert_eq!(pieces, whole.len().div_ceil(small("inbox.piece")).max(1));
            let fixture = desk
                .call("GET", &format!("{path}/fixture"), &Value::Null)
                .await;
            let status = fixture.status().as_u16();
            match sent.source {
                None if whole.len() == kept => assert_eq!(status, 409, "{fixture:?}"),
                _ => assert!(matches!(status, 200 | 413), "{fixture:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn endpoints_are_counted_listed_used_and_removed_whichever_page_they_are_on() {
    bounded(async {
        let desk = Desk::new().await;
        let most = small("endpoints.count");
        let path = "/inbox/api/endpoints";
        let wanted = json!({"name": "one", "days": 7, "forward": false});
        let mut made = Vec::new();
        for _ in 0..most {
            let answer = desk.call("POST", path, &wanted).await;
            assert_eq!(answer.status(), 201, "{answer:?}");
            let answer: Value = serde_json::from_slice(answer.body()).unwrap();
            made.push((
                text(&answer["endpoint"]["endpoint"]),
                text(&answer["token"]),
            ));
        }
        let full = desk.call("POST", path, &wanted).await;
        assert_eq!(full.status(), 409, "{full:?}");
        let listed = desk.read(path).await;
        let listed = listed["endpoints"].as_array().unwrap().clone();
        let ids: BTreeSet<_> = listed.iter().map(|one| text(&one["endpoint"])).collect();
        let all: BTreeSet<_> = made.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!((listed.len(), ids), (most, all));
        for round in 0..2 {
            for (id, token) in &made {
                let request = Request::post(format!("/in/{id}/{token}"));
                let request = request.body(Body::from("{}")).unwrap();
                assert_eq!(desk.world.send(request).await.status, 200, "{round}");
            }
        }
        for (id, _) in &made {
            let rows = desk.rows(&format!("source=in%2F{id}"), 1).await;
            assert_eq!(rows.len(), 2);
            let gone = desk
                .call("DELETE", &format!("{path}/{id}"), &Value::Null)
                .await;
            assert_eq!(gone.status(), 204, "{gone:?}");
        }
        assert_eq!(desk.read(path).await["endpoints"], json!([]));
        assert_eq!(desk.call("POST", path, &wanted).await.status(), 201);
    })
    .await;
}
