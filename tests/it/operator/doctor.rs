//! `hookctl doctor` finds what is broken, and names it.

mod spellings;

use super::Site;
use crate::conformance::client;
use crate::moto::{call, moto, query};
use crate::servers::{Weed, unique};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use hookwork::twin::faults::{Fault, On};
use serde_json::{Value, json};

/// The verdict and the text of each check.
pub(super) async fn examined(
    site: &Site,
    arguments: &[&str],
) -> (Option<i32>, Vec<(String, String)>) {
    let ran = site.run(&[&["doctor", "--json"], arguments].concat()).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = ran.lines().into_iter().map(|check| {
        let said = format!(
            "{}: {} -> {}",
            text(&check["what"]),
            text(&check["found"]),
            text(&check["advice"])
        );
        (text(&check["verdict"]), said)
    });
    (ran.code, checks.collect())
}

fn failures(checks: &[(String, String)]) -> Vec<&str> {
    let failed = checks.iter().filter(|(verdict, _)| verdict == "fail");
    failed.map(|(_, said)| said.as_str()).collect()
}

/// With everything that there can be.
async fn complete() -> Site {
    let mut site = Site::new(json!({}), true).await;
    site.set("AWS_ENDPOINT_URL", &moto().await.endpoint);
    for (variable, name) in [
        ("QUEUE_URL", unique("jobs")),
        ("DEAD_LETTERS_URL", unique("letters")),
    ] {
        let made = call("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": name})).await;
        site.set(variable, made["QueueUrl"].as_str().unwrap());
    }
    let topic = unique("notices");
    query("sns", &[("Action", "CreateTopic"), ("Name", &topic)]).await;
    site.set(
        "SNS_TOPIC_ARN",
        &format!("arn:aws:sns:us-east-1:123456789012:{topic}"),
    );
    site.put("photos/ü +%.jpg", "a body");
    // The intdash server knows another token than ours.
    let mut sources: Value = serde_json::from_str(&site.variables["SOURCES"]).unwrap();
    sources.as_object_mut().unwrap().remove("intdash");
    site.set("SOURCES", &sources.to_string());
    site
}

#[tokio::test]
async fn passes_where_all_is_well() {
    let site = complete().await;
    let (code, checks) = examined(&site, &["--write"]).await;
    assert_eq!(failures(&checks), [""; 0]);
    assert_eq!(code, Some(0));
    let said: Vec<_> = checks.iter().map(|(_, said)| said.as_str()).collect();
    for expected in [
        "origin vk/mcs1/origin: Range",
        "If-Match: 412",
        "tags: they can be read",
        "its ETag is its MD5",
        "404 NoSuchKey",
        "odd spellings",
        "origin vk/mcs1/origin: backup: what is put into the backup is not there",
        "backup backup: writes: a probe was put and removed",
        "state state: lists",
        "queue: 0 jobs wait",
        "dead letters: none",
        "inbox: it has no token",
    ] {
        assert!(
            said.iter().any(|said| said.contains(expected)),
            "{expected}: {said:?}"
        );
    }
    let warned = checks
        .iter()
        .any(|(verdict, said)| verdict == "warn" && said.contains("nobody has confirmed"));
    assert!(warned, "{checks:?}");
    assert_eq!(site.store.keys("backup"), [""; 0], "the probe is gone");
    assert_eq!(site.store.keys("origin").len(), 1);
    let ran = site.run(&["doctor"]).await;
    assert!(ran.out.contains("pass  queue: 0 jobs wait"), "{ran:?}");
}

#[tokio::test]
async fn says_whether_the_inboxs_token_opens_it() {
    let mut site = complete().await;
    for (token, expected) in [
        ("short", ("fail", "its token has fewer than 16 characters")),
        ("long enough for anybody", ("pass", "has its token")),
    ] {
        let mut secrets: Value = serde_json::from_str(&site.variables["SECRETS"]).unwrap();
        secrets["inbox"] = json!({"token": token});
        site.set("SECRETS", &secrets.to_string());
        let (_, checks) = examined(&site, &[]).await;
        let said: Vec<_> = checks
            .iter()
            .filter(|(_, said)| said.contains("inbox"))
            .collect();
        let [(verdict, said)] = &said[..] else {
            panic!("{checks:?}")
        };
        assert_eq!(verdict, expected.0);
        assert!(said.contains(expected.1) && !said.contains(token), "{said}");
    }
}

#[tokio::test]
async fn names_each_thing_that_is_broken() {
    type Break = fn(&mut Site);
    let breaks: [(Break, &str); 9] = [
        (
            |site| {
                site.faults.inject(
                    On::every().of("ListObjectsV2").bucket("origin"),
                    Fault::Status(403, "AccessDenied"),
                );
            },
            "may list the bucket",
        ),
        (
            |site| {
                site.faults.inject(
                    On::every().of("GetObjectTagging"),
                    Fault::Status(403, "AccessDenied"),
                );
            },
            "allow s3:GetObjectTagging",
        ),
        (
            |site| {
                site.faults.inject(
                    On::every().of("GetObject").bucket("origin"),
                    Fault::Status(403, "AccessDenied"),
                );
            },
            "403 instead of 404",
        ),
        (
            |site| {
                site.faults.inject(
                    On::every().of("GetObject").bucket("origin"),
                    Fault::IgnoreRange,
                );
            },
            "storage without ranges",
        ),
        (
            |site| site.set("BACKUP_BUCKET", "nowhere"),
            "backup nowhere",
        ),
        (|site| site.set("STATE_BUCKET", "nowhere"), "state nowhere"),
        (
            |site| {
                let url = format!("{}-x", site.variables["QUEUE_URL"]);
                site.set("QUEUE_URL", &url);
            },
            "queue: ",
        ),
        (
            |site| site.set("SECRETS", "{\"vk\":{}}"),
            "it wants access_key_id",
        ),
        (
            |site| site.set("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:nobody"),
            "topic: ",
        ),
    ];
    for (broken, named) in breaks {
        let mut site = complete().await;
        broken(&mut site);
        let (code, checks) = examined(&site, &[]).await;
        let failed = failures(&checks);
        assert!(
            failed.iter().any(|said| said.contains(named)),
            "{named}: {checks:?}"
        );
        assert_eq!(code, Some(1), "{named}");
    }
}

#[tokio::test]
async fn names_settings_secrets_and_a_store_that_ignores_conditions() {
    let mut site = complete().await;
    site.set("LOG_LEVEL", "loud");
    let ran = site.run(&["doctor"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.contains("FAIL  settings: LOG_LEVEL: expected"),
        "{ran:?}"
    );

    let mut site = complete().await;
    site.variables.remove("SECRETS");
    let name = unique("secret");
    site.set("SECRETS_ARN", &name);
    let (code, checks) = examined(&site, &[]).await;
    assert!(
        code == Some(1)
            && failures(&checks)[0].starts_with(&format!("secret {name}: GetSecretValue")),
        "{checks:?}"
    );
    let value = json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}}).to_string();
    call(
        "secretsmanager",
        "secretsmanager.CreateSecret",
        json!({"Name": name, "SecretString": value}),
    )
    .await;
    let (code, checks) = examined(&site, &[]).await;
    assert_eq!(code, Some(0), "{checks:?}");
    assert!(
        checks
            .iter()
            .any(|(verdict, said)| verdict == "warn" && said.contains("no url_key")),
        "{checks:?}"
    );

    let site = complete().await;
    // It says that every write went well.
    let taken = "<?xml version=\"1.0\"?><ok/>";
    site.faults.inject(
        On::every().of("PutObject").bucket("backup"),
        Fault::Answer(taken),
    );
    let (code, checks) = examined(&site, &["--write"]).await;
    let failed = failures(&checks);
    assert!(
        code == Some(1)
            && failed
                .iter()
                .any(|said| said.contains("If-None-Match: * is ignored")),
        "{checks:?}"
    );
}

#[tokio::test]
async fn finds_an_origin_that_is_the_backup_under_another_name() {
    let mut site = complete().await;
    let endpoint = site.variables["AWS_ENDPOINT_URL_S3"].replace("127.0.0.1", "localhost");
    let source = json!({"kind": "s3", "flavor": "vk", "endpoint": endpoint, "region": "us-east-1", "buckets": {"mcs1/backup": {"prefix": "copies/"}}});
    site.set("SOURCES", &json!({"vk": source}).to_string());
    let (code, checks) = examined(&site, &["--write"]).await;
    let failed = failures(&checks);
    assert!(
        failed.len() == 1 && failed[0].contains("origin vk/mcs1/backup: backup: "),
        "{failed:?}"
    );
    assert!(failed[0].contains("both are one bucket"), "{failed:?}");
    assert_eq!(code, Some(1));
    assert_eq!(site.store.keys("backup"), [""; 0], "the probe is gone");
}

#[tokio::test]
async fn says_the_same_of_seaweedfs() {
    let weed = tokio::task::spawn_blocking(Weed::shared).await.unwrap();
    let mut site = complete().await;
    let [origin, backup] = [unique("origin"), unique("backup")];
    let local = Credentials::new("local", "local", None, None, "tests");
    let client = client(&weed.endpoint, local);
    for bucket in [&origin, &backup] {
        client.create_bucket().bucket(bucket).send().await.unwrap();
    }
    let body = ByteStream::from_static(b"a body");
    client
        .put_object()
        .bucket(&origin)
        .key("a b")
        .body(body)
        .send()
        .await
        .unwrap();
    let source = json!({"kind": "s3", "flavor": "vk", "endpoint": weed.endpoint, "region": "us-east-1", "buckets": {&origin: {}}});
    site.set("SOURCES", &json!({"vk": source}).to_string());
    site.set(
        "SECRETS",
        &json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}}).to_string(),
    );
    site.set("BACKUP_BUCKET", &backup);
    site.variables.remove("STATE_BUCKET");
    site.set("AWS_ENDPOINT_URL_S3", &weed.endpoint);
    let (code, checks) = examined(&site, &["--write"]).await;
    assert_eq!(failures(&checks), [""; 0], "{checks:?}");
    let dots = |said: &str| said.contains("it refuses keys like a/../b");
    assert!(checks.iter().any(|(_, said)| dots(said)), "{checks:?}");
    assert_eq!(code, Some(0));
    let ran = site.run(&["backfill", "vk", &origin]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.contains("1 of 1 objects made right, 6 B"),
        "{ran:?}"
    );
    assert_eq!(
        site.run(&["audit", "vk", &origin, "--thorough"]).await.code,
        Some(0)
    );
}

const HANDSHAKE: &str = r#"{"Timestamp":"2020-05-31T22:53:38+03:00","Type":"SubscriptionConfirmation","TopicArn":"mcs1|origin|s3:ObjectCreated:Put","Token":"RPE5UuG94rGgBH6kHXN9FUPugFxj1hs2aUQc99btJp3E49tA"}"#;

#[tokio::test]
async fn finds_the_spelling_of_the_url_that_was_signed() {
    let site = Site::new(json!({}), false).await;
    let challenge: hookwork::domain::handshake::VkChallenge =
        serde_json::from_str(HANDSHAKE).unwrap();
    let signature = challenge.sign("https://x.example:443/hooks/vk/");
    let of = |signature: &str| {
        [
            "doctor",
            "handshake",
            "vk",
            "--url",
            "http://x.example/hooks/vk?a=b",
            "--body",
            "-",
            "--signature",
            signature,
        ]
        .map(ToOwned::to_owned)
    };
    let asked = of(&signature);
    let ran = site
        .answering(&asked.each_ref().map(String::as_str), HANDSHAKE)
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.contains(&format!(
            "-> {signature}  https://x.example:443/hooks/vk/\n"
        )),
        "{ran:?}"
    );
    assert!(
        ran.out.contains("set the source's \"url\" to exactly this"),
        "{ran:?}"
    );
    let asked = of(&"0".repeat(64));
    let none = site
        .answering(&asked.each_ref().map(String::as_str), HANDSHAKE)
        .await;
    assert!(
        none.code == Some(1) && none.out.contains("None matches"),
        "{none:?}"
    );
}

#[tokio::test]
async fn takes_for_intdash_what_answers_as_intdash_does() {
    for (body, verdict) in [
        (r#"{"error":"not_found","error_description":"no"}"#, "pass"),
        ("<html>not here</html>", "warn"),
    ] {
        let router = axum::Router::new().fallback(axum::routing::any(async move || {
            (http::StatusCode::NOT_FOUND, body)
        }));
        let url = super::hooks::listening(router).await;
        let mut site = Site::new(json!({}), false).await;
        let sources = json!({"intdash": {"kind": "intdash", "url": url}});
        site.set("SOURCES", &sources.to_string());
        let (_, checks) = examined(&site, &[]).await;
        let found = checks
            .iter()
            .find(|(_, said)| said.starts_with("source intdash: server"));
        assert_eq!(found.unwrap().0, verdict, "{checks:?}");
        let secrets = json!({"intdash": {"secrets": ["s"], "api_token": "a\u{7}b"}});
        site.set("SECRETS", &secrets.to_string());
        let (_, checks) = examined(&site, &[]).await;
        let failed = failures(&checks);
        assert!(
            failed
                .iter()
                .any(|said| said.contains("is no header value")),
            "{checks:?}"
        );
    }
}
