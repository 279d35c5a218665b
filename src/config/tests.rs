//! What the settings may be, and what is said of those that are wrong.

use super::*;

const VK: &str = r#""vk":{"kind":"s3","flavor":"vk","endpoint":"https://hb.ru-msk.vkcloud-storage.ru","region":"ru-msk","buckets":{"mcs1/b":{}}}"#;

fn config(settings: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let settings: BTreeMap<String, String> = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Config::from_lookup(|key| settings.get(key).cloned()).map_err(|error| error.0)
}

fn problems(settings: &[(&str, &str)]) -> String {
    config(settings).unwrap_err().join("\n")
}

#[test]
fn reads_the_contracts_example() {
    let sources = r#"{
        "vk": {"kind": "s3", "flavor": "vk", "endpoint": "https://hb.ru-msk.vkcloud-storage.ru", "region": "ru-msk",
               "buckets": {"mcs5259999770/myfiles-ash": {"prefix": "", "include": ["*"], "exclude": [], "deletes": "mirror"}},
               "url": "http://89.208.199.220/webhook"},
        "intdash": {"kind": "intdash", "url": "https://example.intdash.jp", "trigger": ["completed", "finished"], "data": "float64/*"}}"#;
    let config = config(&[
        ("SOURCES", sources),
        ("BACKUP_BUCKET", "b"),
        ("SNS_TOPIC_ARN", "arn:t"),
        ("SECRETS_ARN", "a, b"),
        ("SECRETS", " "),
    ])
    .unwrap();
    assert_eq!(config.sources.len(), 2);
    assert!(matches!(config.secrets, SecretsFrom::Manager(arns) if arns == ["a", "b"]));
}

#[test]
fn lists_every_problem_at_once() {
    let sources = r#"{"a b": {"kind": "s3"}, "g": {"kind": "generic", "verify": "git-hub"}, "n": {"kind": "nats"},
        "i": {"kind": "intdash", "url": "ftp://x", "colour": 1}, "j": {"kind": "intdash", "url": "x", "path": "/hooks/j"}}"#;
    let found = problems(&[
        ("SOURCES", sources),
        ("SECRETS", "{}"),
        ("SECRETS_ARN", "a"),
        ("QUEUE_URL", "q"),
        ("STATE_BUCKET", "no bucket"),
        ("LOG_LEVEL", "loud"),
    ]);
    for expected in [
        "found \"a b\"",
        "a b: missing field `flavor`",
        "g: verify: expected a template (an object) or one of backblaze-b2",
        "unknown variant `nats`, expected one of `s3`, `intdash`, `generic`",
        "unknown field `colour`, expected one of",
        "url: expected an http or https URL, found \"x\"",
        "path: expected a path like /webhook",
        "SECRETS and SECRETS_ARN are both set",
        "QUEUE_URL: expected the URL of an SQS queue, found \"q\"",
        "STATE_BUCKET: expected the name of a bucket",
        "LOG_LEVEL: expected",
        "SNS_TOPIC_ARN is not set: source j",
    ] {
        assert!(found.contains(expected), "{expected} not in:\n{found}");
    }
    assert!(problems(&[]).contains("SOURCES is not set"));
    assert!(problems(&[("SOURCES", "{}")]).contains("at least one source"));
}

#[test]
fn what_would_come_round_for_ever_is_an_error() {
    let found = |topic: &str| {
        let arn = "arn:aws:sns:us-east-1:123456789012:notices";
        let sources =
            format!(r#"{{"s":{{"kind":"generic","verify":"sns","topics":["{topic}"]}}}}"#);
        Config::from_lookup(|key| match key {
            "SOURCES" => Some(sources.clone()),
            "SNS_TOPIC_ARN" => Some(arn.to_owned()),
            _ => None,
        })
    };
    let round = found("arn:aws:sns:us-east-1:123456789012:notices").unwrap_err();
    assert!(round.to_string().contains("again, for ever"), "{round}");
    assert!(found("arn:aws:sns:us-east-1:123456789012:others").is_ok());
    // Notices of the mirror would come as deliveries that are no events.
    let mirror = |topic: &str| {
        let sources = format!(
            r#"{{"s":{{"kind":"s3","flavor":"aws","endpoint":"http://o","region":"r","buckets":{{"b":{{}}}},"topics":["{topic}"]}}}}"#
        );
        problems(&[
            ("SOURCES", &sources),
            ("BACKUP_BUCKET", "b"),
            (
                "SNS_TOPIC_ARN",
                "arn:aws:sns:us-east-1:123456789012:notices",
            ),
        ])
    };
    let round = mirror("arn:aws:sns:us-east-1:123456789012:notices");
    assert!(
        round.contains("SOURCES: s: topics: has SNS_TOPIC_ARN"),
        "{round}"
    );
}

#[test]
fn what_would_vanish_or_leak_is_an_error() {
    let intdash = |url: &str| format!(r#""i":{{"kind":"intdash","url":"{url}"}}"#);
    let found = |sources: &str, more: &[(&str, &str)]| {
        problems(&[&[("SOURCES", sources), ("SNS_TOPIC_ARN", "arn:x")], more].concat())
    };
    assert!(
        found(&format!("{{{0},{0}}}", intdash("https://x")), &[]).contains("i is defined twice")
    );
    let leaking = found(&format!("{{{}}}", intdash("https://me:hunter2@x")), &[]);
    assert!(
        leaking.contains("without user and password") && !leaking.contains("hunter2"),
        "{leaking}"
    );
    for shape in [r#"{"i":"hunter2"}"#, r#""hunter2""#] {
        assert!(!found(shape, &[]).contains("hunter2"));
    }
    let fine = format!("{{{}}}", intdash("https://x"));
    assert!(found(&fine, &[("SECRETS_ARN", " , ")]).contains("SECRETS_ARN: expected one or more"));
    assert!(found(&fine, &[("LOG_LEVEL", "3")]).contains("LOG_LEVEL: expected"));
    assert!(found(&fine, &[("BACKUP_BUCKET", "not a bucket")]).contains("BACKUP_BUCKET: expected"));
    assert!(
        found(&fine, &[("BACKUP_BUCKET", "b"), ("STATE_BUCKET", "b")]).contains("are the same")
    );
    for path in ["//x", "/..", "/w/../ping", "/x/"] {
        let with_path = fine.replace("\"url\"", &format!("\"path\":\"{path}\",\"url\""));
        assert!(found(&with_path, &[]).contains("path: expected"), "{path}");
    }
}

#[test]
fn a_kind_needs_its_far_side() {
    assert!(
        problems(&[("SOURCES", &format!("{{{VK}}}"))])
            .contains("BACKUP_BUCKET is not set: source vk")
    );
    let intdash = r#"{"i": {"kind": "intdash", "url": "https://x"}}"#;
    assert!(problems(&[("SOURCES", intdash)]).contains("SNS_TOPIC_ARN is not set: source i"));
    let notify = format!("{{{}}}", VK.replace(":{}}", r#":{"notify":true}}"#));
    let settings = [("SOURCES", notify.as_str()), ("BACKUP_BUCKET", "b")];
    assert_eq!(
        problems(&settings),
        "SNS_TOPIC_ARN is not set: vk mcs1/b has \"notify\": true and needs a topic to publish to"
    );
    let with_topic = [&settings[..], &[("SNS_TOPIC_ARN", "arn:t")]].concat();
    assert!(config(&with_topic).is_ok());
    assert!(config(&[("SOURCES", &notify.replace("true", "false")), settings[1]]).is_ok());
}

#[test]
fn overlapping_prefixes_and_shared_paths_are_errors() {
    let source = |name: &str, prefix: &str| {
        format!(
            r#""{name}":{{"kind":"s3","flavor":"aws","endpoint":"https://x","region":"r","path":"/webhook","buckets":{{"b":{{"prefix":"{prefix}"}}}}}}"#
        )
    };
    let found = problems(&[
        (
            "SOURCES",
            &format!("{{{},{}}}", source("a", "x/"), source("b", "x/y/")),
        ),
        ("BACKUP_BUCKET", "b"),
    ]);
    assert!(
        found.contains("overlap") && found.contains("same path /webhook"),
        "{found}"
    );
    let apart = format!(
        "{{{},{VK}}}",
        source("a", "x/").replace("/webhook", "/other")
    );
    assert!(
        problems(&[("SOURCES", &apart), ("BACKUP_BUCKET", "b")]).contains("overlap"),
        "no prefix overlaps with all"
    );
}

#[test]
fn a_wrong_secrets_value_is_never_shown() {
    let found = problems(&[
        ("SOURCES", &format!("{{{VK}}}")),
        ("BACKUP_BUCKET", "b"),
        ("SECRETS", r#"{"vk":"hunter2"}"#),
    ]);
    assert!(
        found.contains("SECRETS: vk") && !found.contains("hunter2"),
        "{found}"
    );
}

#[test]
fn the_backups_region_and_encryption_are_checked() {
    let sources = format!("{{{VK}}}");
    let with = |more: &[(&str, &str)]| {
        config(
            &[
                &[("SOURCES", sources.as_str()), ("BACKUP_BUCKET", "b")],
                more,
            ]
            .concat(),
        )
    };
    let key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd";
    let settings = [
        ("BACKUP_REGION", "eu-central-1"),
        ("BACKUP_SSE", "aws:kms"),
        ("BACKUP_SSE_KEY", key),
    ];
    let found = with(&settings).unwrap();
    assert_eq!(found.backup_region.as_deref(), Some("eu-central-1"));
    let encryption = found.backup_encryption.unwrap();
    assert_eq!(encryption.algorithm, "aws:kms");
    assert_eq!(encryption.key.as_deref(), Some(key));
    assert_eq!(with(&[]).unwrap().backup_encryption, None);
    for (more, expected) in [
        (
            &[("BACKUP_REGION", "a.evil.example/")][..],
            "BACKUP_REGION: expected a region",
        ),
        (
            &[("BACKUP_REGION", "EU")],
            "BACKUP_REGION: expected a region",
        ),
        (
            &[("BACKUP_SSE", "aes256")],
            "BACKUP_SSE: expected one of AES256, aws:kms, aws:kms:dsse, found \"aes256\"",
        ),
        (
            &[("BACKUP_SSE_KEY", key)],
            "BACKUP_SSE_KEY is set without BACKUP_SSE",
        ),
        (
            &[("BACKUP_SSE", "AES256"), ("BACKUP_SSE_KEY", key)],
            "AES256 takes no key",
        ),
        (
            &[("BACKUP_SSE", "aws:kms"), ("BACKUP_SSE_KEY", "alias/mine")],
            "BACKUP_SSE_KEY: expected the ARN",
        ),
        (
            &[("BACKUP_SSE", "aws:kms"), ("BACKUP_SSE_KEY", "arn:\nx")],
            "BACKUP_SSE_KEY: expected the ARN",
        ),
    ] {
        let problems = with(more).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}
