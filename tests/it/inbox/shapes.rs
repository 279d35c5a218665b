//! The JSON of the inbox, field by field: what the page and programs build on.

use super::{Desk, NOBODY, SECRET, URL_KEY};
use crate::world::{created, delivery, removed};
use axum::body::Body;
use hookwork::domain::handshake::hex;
use hookwork::domain::signature::hmac_sha256;
use http::Request;
use serde_json::{Value, json};

pub(super) const CHALLENGE: &str = r#"{"Timestamp":"2020-06-15T15:01:13+03:00","Type":"SubscriptionConfirmation","TopicArn":"mcs1|origin|s3:ObjectCreated:*","SignatureVersion":1,"Token":"E2itMqAMUVVZc51pUhFWSp13DoxezvRxkUh5P7LEuk1dEe9y"}"#;

impl Desk {
    /// Posts a body, and returns the delivery's id in the list: the newest there.
    pub(super) async fn deliver(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> String {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await;
        let rows = self.read("/inbox/api/deliveries?limit=1").await;
        rows["deliveries"][0]["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn push(&self, body: &str) -> String {
        let signature = hex(&hmac_sha256(SECRET.as_bytes(), body.as_bytes()));
        let signature = format!("sha256={signature}");
        let headers = [
            ("x-hub-signature-256", signature.as_str()),
            ("x-github-event", "push"),
            ("content-type", "application/json"),
        ];
        self.deliver("/hooks/hub", &headers, body.to_owned()).await
    }

    pub(super) async fn detail(&self, id: &str) -> Value {
        self.read(&format!("/inbox/api/deliveries/{id}")).await
    }

    async fn rows(&self, query: &str) -> Vec<String> {
        let page = self.read(&format!("/inbox/api/deliveries?{query}")).await;
        let rows = page["deliveries"].as_array().unwrap();
        rows.iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub(super) fn fields(value: &Value) -> Vec<&str> {
    let mut fields: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    fields
}

const ROW: [&str; 10] = [
    "attempts",
    "bytes",
    "duplicate_of",
    "id",
    "jobs",
    "received",
    "source",
    "state",
    "title",
    "verdict",
];

#[tokio::test]
async fn the_list_has_a_row_for_whatever_came_the_newest_first() {
    let desk = Desk::new().await;
    desk.world.put("photos/1.jpg", "1");
    let copied = desk
        .deliver(
            "/hooks/vk",
            &[],
            delivery([created("photos/1.jpg"), removed("b"), removed("c")]),
        )
        .await;
    let shaken = desk.deliver("/hooks/vk", &[], CHALLENGE).await;
    let pushed = desk.push("{\"ref\":1}").await;
    let again = desk.push("{\"ref\":1}").await;
    let forged = desk
        .deliver("/hooks/hub", &[("x-hub-signature-256", "sha256=00")], "{}")
        .await;
    let malformed = desk.deliver("/hooks/vk", &[], "no JSON").await;
    let unknown = desk.deliver("/hooks/nobody", &[], "{}").await;
    let page = desk.read("/inbox/api/deliveries").await;
    assert_eq!(fields(&page), ["before", "calls", "deliveries", "searched"]);
    assert_eq!(
        (&page["before"], &page["searched"], &page["calls"]),
        (&Value::Null, &json!(7), &json!(2))
    );
    let rows = page["deliveries"].as_array().unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| json!([row["id"], row["source"], row["verdict"], row["state"]]))
        .collect();
    let expected = [
        json!([unknown, null, "unknown", "refused"]),
        json!([malformed, "vk", "malformed", "refused"]),
        json!([forged, "hub", "unauthentic", "refused"]),
        json!([again, "hub", "accepted", "done"]),
        json!([pushed, "hub", "accepted", "done"]),
        json!([shaken, "vk", "handshake", "handshake"]),
        json!([copied, "vk", "accepted", "done"]),
    ];
    assert_eq!(told, expected);
    for row in rows {
        assert_eq!(fields(row), ROW);
        assert!(hookwork::domain::instant::parse(row["received"].as_str().unwrap()).is_some());
    }
    assert_eq!(
        (&rows[6]["title"], &rows[6]["jobs"]),
        (&json!("photos/1.jpg (+2)"), &json!(3))
    );
    let attempt = &rows[6]["attempts"][0];
    assert_eq!(
        fields(attempt),
        ["at", "by", "jobs", "lag_ms", "ms", "outcome"]
    );
    assert_eq!(
        (&attempt["by"], &attempt["outcome"], &attempt["jobs"]),
        (&json!("inline"), &json!("mixed"), &json!(3))
    );
    assert_eq!(
        (&rows[3]["duplicate_of"], &rows[4]["duplicate_of"]),
        (&json!(pushed), &Value::Null)
    );
    let shown = desk.detail(&again).await;
    assert_eq!(shown["duplicate_of"], json!(pushed), "one by itself, too");
    for (query, wanted) in [
        ("source=-", vec![&unknown]),
        ("source=hub&status=done", vec![&again, &pushed]),
        ("status=unauthentic", vec![&forged]),
        ("text=PHOTOS", vec![&copied]),
        ("source=h", vec![]),
        (&format!("text={}", &forged[20..]), vec![&forged]),
        ("source=&status=handshake&text=", vec![&shaken]),
        ("until=1971-01-01T00:00:00Z", vec![]),
        ("after=2999-01-01T00:00:00%2B02:00", vec![]),
    ] {
        assert_eq!(
            desk.rows(query).await.iter().collect::<Vec<_>>(),
            wanted,
            "{query}"
        );
    }
    let mut seen = Vec::new();
    let mut query = "limit=3".to_owned();
    loop {
        let page = desk.read(&format!("/inbox/api/deliveries?{query}")).await;
        seen.extend(page["deliveries"].as_array().unwrap().iter().cloned());
        let Some(before) = page["before"].as_str() else {
            break;
        };
        query = format!("limit=3&before={before}");
    }
    assert_eq!(seen, *rows, "page by page it is the same");
    for wrong in [
        "limit=0",
        "limit=201",
        "limit=x",
        "after=yesterday",
        "until=1",
        "colour=red",
        &format!("text={}", "x".repeat(1025)),
        "text=%00",
    ] {
        let answer = desk.get(&format!("/inbox/api/deliveries?{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(
            answer.json()["error"]
                .as_str()
                .unwrap()
                .contains("expected")
        );
    }
}

#[tokio::test]
async fn a_delivery_is_shown_in_full_without_what_is_secret_in_it() {
    let desk = Desk::new().await;
    desk.world.put("a b", "1");
    let id = desk
        .deliver(
            "/hooks/vk",
            &[("authorization", "Bearer Zq99"), ("x-a", "it's")],
            delivery([created("a b")]),
        )
        .await;
    let shown = desk.detail(&id).await;
    let mut expected = ROW.to_vec();
    expected.extend([
        "body",
        "curl",
        "from",
        "handshake",
        "headers",
        "history",
        "method",
        "not_replayable",
        "planned",
        "reason",
        "remarks",
        "replayable",
        "status",
        "url",
    ]);
    expected.sort_unstable();
    assert_eq!(fields(&shown), expected);
    assert_eq!(
        (&shown["status"], &shown["method"], &shown["replayable"]),
        (&json!(200), &json!("POST"), &json!(true))
    );
    assert_eq!(
        shown["headers"],
        json!([["authorization", null], ["x-a", "it's"]])
    );
    let planned = &shown["planned"][0];
    assert_eq!(
        fields(planned),
        [
            "bucket",
            "event",
            "id",
            "job",
            "key",
            "measurement",
            "object"
        ]
    );
    assert_eq!(
        (&planned["job"], &planned["bucket"], &planned["key"]),
        (&json!("mirror"), &json!("mcs1/origin"), &json!("a b"))
    );
    assert_eq!(
        planned["object"],
        json!({"s3": "s3://backup/a b", "console": "https://console.aws.amazon.com/s3/object/backup?prefix=a%20b"})
    );
    let attempt = &shown["history"][0];
    assert_eq!(fields(attempt), ["at", "by", "jobs", "lag_ms", "ms"]);
    let job = &attempt["jobs"][0];
    assert_eq!(
        (&job["outcome"], &job["copied_bytes"]),
        (&json!("copied"), &json!(1))
    );
    assert!(
        job["fingerprint"].is_string()
            && job["etag"].is_string()
            && job["crc64nvme"].is_string()
            && job["error"].is_null()
    );
    assert_eq!(fields(&shown["body"]), ["base64", "bytes", "shown", "text"]);
    assert!(shown["curl"].as_str().unwrap().starts_with("curl "));
    assert!(!shown.to_string().contains("Zq99"));

    let shaken = desk
        .detail(&desk.deliver("/hooks/vk", &[], CHALLENGE).await)
        .await;
    assert_eq!(
        shaken["handshake"]["signed"],
        "http://89.208.199.220/webhook"
    );
    assert_eq!(shaken["handshake"]["signature"].as_str().unwrap().len(), 64);
    assert_eq!(
        fields(&shaken["handshake"]["spellings"][0]),
        ["signature", "url"]
    );
    assert_eq!(
        (&shaken["replayable"], &shaken["planned"]),
        (&json!(false), &json!([]))
    );

    for (headers, path, status) in [
        (&[][..], "/hooks/hub", 401),
        (&[], "/hooks/nobody", 404),
        (&[], "/hooks/keyed/wrong", 404),
    ] {
        let refused = desk.detail(&desk.deliver(path, headers, "{}").await).await;
        assert_eq!(
            (&refused["status"], refused["reason"].is_string()),
            (&json!(status), true),
            "{path}"
        );
    }
    let keyed = desk
        .deliver(&format!("/hooks/keyed/{URL_KEY}"), &[], "{}")
        .await;
    assert!(!desk.detail(&keyed).await.to_string().contains(URL_KEY));
    for nobody in [NOBODY, "x", "..%2F..", ""] {
        let answer = desk.get(&format!("/inbox/api/deliveries/{nobody}")).await;
        assert!(nobody.is_empty() || answer.status == 404, "{nobody}");
    }
}
