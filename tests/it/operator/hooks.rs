//! `hookctl register` merges and asks, and what `hookctl sign` prints is accepted.

use super::{SECRETS, Site};
use crate::world::{function, variables};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::any;
use base64::Engine as _;
use hookwork::domain::handshake::hex;
use hookwork::domain::signature::hmac_sha256;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What a far side has, and was sent.
#[derive(Clone, Default)]
struct Far(Arc<Mutex<(String, Vec<String>)>>);

impl Far {
    fn has(&self) -> String {
        self.0.lock().unwrap().0.clone()
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }
}

pub(super) async fn listening(router: axum::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// SigV4 by the book (AWS, "Create a signed AWS API request"), of a request to `/origin?notification`.
fn signature(method: &Method, headers: &HeaderMap, body: &[u8]) -> String {
    let of = |name: &str| headers[name].to_str().unwrap().to_owned();
    let authorization = of("authorization");
    let part = |name: &str| {
        let rest = authorization.split_once(name).unwrap().1;
        rest.split(',').next().unwrap().to_owned()
    };
    let (signed, scope) = (part("SignedHeaders="), part("Credential="));
    let scope = scope.split_once('/').unwrap().1.to_owned();
    let names = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", of(name)));
    let hash = hex(&Sha256::digest(body));
    assert_eq!(of("x-amz-content-sha256"), hash);
    let canonical = format!(
        "{method}\n/origin\nnotification=\n{}\n{signed}\n{hash}",
        names.collect::<String>()
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        of("x-amz-date"),
        hex(&Sha256::digest(canonical))
    );
    let first = format!("AWS4{}", SECRETS[0]).into_bytes();
    let key = scope.split('/').fold(first, |key, part| {
        hmac_sha256(&key, part.as_bytes()).to_vec()
    });
    let right = hex(&hmac_sha256(&key, to_sign.as_bytes()));
    assert!(
        authorization.ends_with(&format!("Signature={right}")),
        "{authorization}"
    );
    scope
}

async fn storage(
    State(far): State<Far>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> String {
    assert_eq!(uri, "/origin?notification");
    let scope = signature(&method, &headers, &body);
    assert!(scope.ends_with("/ru-msk/s3/aws4_request"), "{scope}");
    let mut far = far.0.lock().unwrap();
    far.1.push(method.to_string());
    if method == Method::PUT {
        assert_eq!(headers["content-type"], "application/xml");
        far.0 = String::from_utf8(body.to_vec()).unwrap();
        return String::new();
    }
    far.0.clone()
}

#[tokio::test]
async fn a_hook_of_vk_is_written_beside_the_others_and_only_when_confirmed() {
    let other = "<SimpleTopicConfiguration><Id>1</Id><Event>s3:ObjectCreated:Put</Event><Url>http://other/</Url></SimpleTopicConfiguration>";
    let existing = format!(
        "<?xml version=\"1.0\"?><NotificationConfiguration xmlns=\"x\">{other}</NotificationConfiguration>"
    );
    let far = Far::default();
    far.0.lock().unwrap().0.clone_from(&existing);
    let url = listening(
        axum::Router::new()
            .fallback(any(storage))
            .with_state(far.clone()),
    )
    .await;
    let mut site = Site::new(json!({}), false).await;
    site.set(
        "SOURCES",
        &json!({"vk": crate::world::vk(&url, json!({}))}).to_string(),
    );
    let register = [
        "register",
        "vk",
        "vk",
        "origin",
        "--url",
        "https://x.example/hooks/vk",
    ];

    let dry = site.run(&[&register[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(
        dry.out.contains(other)
            && dry
                .out
                .contains("<Url>https://x.example/hooks/vk/[url_key]</Url>"),
        "{dry:?}"
    );
    for typed in ["", "n\n", "\n"] {
        let refused = site.answering(&register, typed).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("nothing was sent"), "{refused:?}");
    }
    assert_eq!(far.has(), existing);
    assert!(far.asked().iter().all(|method| method == "GET"));

    let sent = site.answering(&register, "y\n").await;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(
        far.has().contains(other)
            && far.has().contains(&format!(
                "<Url>https://x.example/hooks/vk/{}</Url>",
                SECRETS[3]
            ))
    );
    let put = far.has();
    let again = site.run(&[&register[..], &["--yes"]].concat()).await;
    assert!(
        again.code == Some(0)
            && again
                .out
                .contains("1 hooks stay as they are, one is replaced"),
        "{again:?}"
    );
    assert_eq!(far.has(), put);

    // What the storage has is in anybody's words; a url_key that the settings do not know is one all the same.
    far.0.lock().unwrap().0 = existing.replace("<Id>1<", "<Id>1\u{9b}2J\u{202e}<");
    let secrets = json!({"vk": {"access_key_id": "local", "secret_access_key": SECRETS[0]}});
    let known = site.variables["SECRETS"].clone();
    site.set("SECRETS", &secrets.to_string());
    let keyed = [
        &register[..5],
        &["https://x.example/hooks/vk/hunter2", "--dry-run"],
    ]
    .concat();
    let shown = site.run(&keyed).await;
    assert!(
        shown.out.contains("<Id>1\\u{9b}2J\\u{202e}<")
            && shown.out.contains("/hooks/vk/[redacted]<"),
        "{shown:?}"
    );
    assert!(!shown.out.contains("hunter2"), "{shown:?}");
    site.set("SECRETS", &known);

    far.0.lock().unwrap().0 = "<html>a proxy</html>".to_owned();
    let odd = site.run(&[&register[..], &["--yes"]].concat()).await;
    assert!(
        odd.code == Some(2) && odd.err.contains("no NotificationConfiguration"),
        "{odd:?}"
    );
}

async fn intdash(
    State(far): State<Far>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> String {
    assert_eq!(
        uri,
        "/api/projects/00000000-0000-0000-0000-000000000000/hooks"
    );
    assert_eq!(headers["x-intdash-token"], SECRETS[2]);
    let mut far = far.0.lock().unwrap();
    far.1.push(method.to_string());
    if method == Method::POST {
        let mut hook: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            hook,
            json!({"url": "https://x.example/hooks/intdash", "secret": SECRETS[1], "measurements_event": true})
        );
        hook["uuid"] = json!("5b7ea816-0d3b-4df5-9104-01046ebecf51");
        far.0 = json!({"items": [hook]}).to_string();
        return hook.to_string();
    }
    if far.0.is_empty() {
        json!({"items": []}).to_string()
    } else {
        far.0.clone()
    }
}

#[tokio::test]
async fn a_hook_of_intdash_is_made_once() {
    let far = Far::default();
    let url = listening(
        axum::Router::new()
            .fallback(any(intdash))
            .with_state(far.clone()),
    )
    .await;
    let mut site = Site::new(json!({}), false).await;
    site.set(
        "SOURCES",
        &json!({"intdash": {"kind": "intdash", "url": url}}).to_string(),
    );
    let register = [
        "register",
        "intdash",
        "intdash",
        "--url",
        "https://x.example/hooks/intdash",
    ];
    assert_eq!(site.run(&register).await.code, Some(1));
    assert_eq!(far.asked(), [""; 0], "nobody said yes");
    let made = site.answering(&register, "yes\n").await;
    assert!(
        made.code == Some(0) && made.out.contains("hook 5b7ea816"),
        "{made:?}"
    );
    let again = site.run(&[&register[..], &["--yes"]].concat()).await;
    assert!(
        again.code == Some(0) && again.out.contains("there already"),
        "{again:?}"
    );
    assert_eq!(far.asked(), ["GET", "POST", "GET"]);

    // A source of any kind may have a url_key.
    let secrets = json!({"intdash": {"secrets": [SECRETS[1]], "api_token": SECRETS[2], "url_key": SECRETS[3]}});
    site.set("SECRETS", &secrets.to_string());
    let keyed = site.run(&[&register[..], &["--dry-run"]].concat()).await;
    assert!(
        keyed
            .out
            .contains("https://x.example/hooks/intdash/[url_key]"),
        "{keyed:?}"
    );
    let signed = site
        .run(&[
            "sign",
            "intdash",
            "--url",
            "https://x.example/hooks/intdash",
        ])
        .await;
    let whole = format!("https://x.example/hooks/intdash/{}'", SECRETS[3]);
    assert!(signed.out.contains(&whole), "{signed:?}");
}

#[tokio::test]
async fn what_is_signed_is_accepted() {
    let site = Site::new(json!({}), false).await;
    let sources: Value = serde_json::from_str(&site.variables["SOURCES"]).unwrap();
    let secrets: Value = serde_json::from_str(&site.variables["SECRETS"]).unwrap();
    let setting = variables(&sources, &secrets, "backup", None);
    let endpoint = &site.variables["AWS_ENDPOINT_URL_S3"];
    let url =
        listening(function(setting, endpoint, &site.variables["AWS_ENDPOINT_URL"]).await).await;
    let key = "it's/ü + \"100%\".jpg";
    site.put(key, "a body");
    let answered = async |line: String| {
        let run = tokio::task::spawn_blocking(move || {
            Command::new("sh").args(["-c", &line]).output().unwrap()
        });
        String::from_utf8(run.await.unwrap().stdout).unwrap()
    };
    let hook = format!("{url}/hooks/vk");
    let line = site
        .run(&[
            "sign", "vk", "--url", &hook, "--bucket", "origin", "--key", key,
        ])
        .await;
    assert_eq!(line.code, Some(0), "{line:?}");
    let answer = answered(line.out).await;
    assert!(answer.contains("\"outcome\":\"copied\""), "{answer}");
    assert_eq!(site.bodies("backup"), site.bodies("origin"));

    // A test delivery needs no server, but the right signature.
    let body = r#"{"resource_type":"measurement","action":"completed","is_test":true,"measurement_uuid":"it's"}"#;
    let hook = format!("{url}/hooks/intdash");
    let signed = site
        .answering(&["sign", "intdash", "--url", &hook, "--body", "-"], body)
        .await;
    assert_eq!(signed.code, Some(0), "{signed:?}");
    let right = base64::engine::general_purpose::STANDARD
        .encode(hmac_sha256(SECRETS[1].as_bytes(), body.as_bytes()));
    assert!(signed.out.contains(&right), "{signed:?}");
    let answer = answered(signed.out.clone()).await;
    assert!(answer.contains("\"outcomes\""), "{answer}");
    let forged = answered(signed.out.replace("is_test", "is_text")).await;
    assert!(!forged.contains("outcomes"), "{forged}");
    let keyless = site.run(&["sign", "vk", "--url", &hook]).await;
    assert!(
        keyless.code == Some(2) && keyless.err.contains("--bucket and --key"),
        "{keyless:?}"
    );
}
