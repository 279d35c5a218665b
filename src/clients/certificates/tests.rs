//! What a certificate vouches for, with messages that AWS published and their certificate.

use super::*;
use crate::domain::sns::{Envelope, Place};
use serde_json::Value;
use std::time::SystemTime;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:objects";
/// 2026-03-06T20:00:00Z, when the published messages were sent, in Unix seconds.
const PUBLISHED: u64 = 1_772_827_200;

fn published() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/sns.json")).unwrap()
}

fn claim(message: &Value) -> Claim {
    let envelope = Envelope::read(message.to_string().as_bytes()).unwrap();
    envelope.claim().unwrap()
}

/// The certificate that signed them.
fn theirs() -> Chain {
    let published = published();
    let pem = published["certificate"]["pem"].as_str().unwrap();
    Chain::read(pem.as_bytes()).unwrap()
}

/// Whether a certificate vouches for a claim by its names, its time and its key; whose authority it is of is tried in chain_tests.rs,
/// with certificates that were made for that.
fn vouched(chain: &Chain, claim: &Claim, now: UnixTime) -> bool {
    let named = chain.is_named(|name| claim.place.signs_as(name));
    named && vouches(chain, claim, now, None)
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// Another text of the same length.
fn changed(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    format!("{}{rest}", if first == "x" { "y" } else { "x" })
}

#[test]
fn the_messages_that_aws_published_are_vouched_for_in_both_versions() {
    let published = published();
    let certificate = theirs();
    let mut versions = Vec::new();
    for (name, message) in published["messages"].as_object().unwrap() {
        let whole = claim(message);
        versions.push(whole.hash);
        assert!(vouched(&certificate, &whole, at(PUBLISHED)), "{name}");
        for field in [
            "Message",
            "MessageId",
            "Subject",
            "Token",
            "SubscribeURL",
            "Timestamp",
            "TopicArn",
        ] {
            let Some(value) = message[field].as_str() else {
                continue;
            };
            let mut forged = message.clone();
            forged[field] = changed(value).into();
            let forged = Envelope::read(forged.to_string().as_bytes()).unwrap();
            // Of a topic that is none nothing is even claimed.
            let forged = forged.claim();
            assert!(
                forged.is_none_or(|forged| !vouched(&certificate, &forged, at(PUBLISHED))),
                "{name}: {field}"
            );
        }
        let mut bit = whole.clone();
        bit.signature[7] ^= 1;
        assert!(!vouched(&certificate, &bit, at(PUBLISHED)), "{name}");
        let other = if whole.hash == Hash::Sha1 {
            Hash::Sha256
        } else {
            Hash::Sha1
        };
        let other = Claim {
            hash: other,
            ..whole
        };
        assert!(!vouched(&certificate, &other, at(PUBLISHED)), "{name}");
    }
    assert!(versions.contains(&Hash::Sha1) && versions.contains(&Hash::Sha256));
}

#[test]
fn a_certificate_vouches_in_its_own_time_alone() {
    let published = published();
    let certificate = theirs();
    let whole = claim(&published["messages"]["notification_version_2"]);
    // From 2025-11-10T00:00:00Z to 2026-10-14T23:59:59Z.
    for (now, right) in [
        (1_762_732_799, false),
        (1_762_732_800, true),
        (1_792_022_399, true),
        (1_792_022_400, false),
    ] {
        assert_eq!(vouched(&certificate, &whole, at(now)), right, "{now}");
    }
}

#[test]
fn a_certificate_that_its_owner_signed_vouches_only_at_an_endpoint_of_our_own() {
    for name in [
        "sns.amazonaws.com",
        "sns.us-east-1.amazonaws.com",
        "example.com",
    ] {
        let signer = Signer::with_certificate(TOPIC, "http://x", name, (2020, 2120)).unwrap();
        let chain = Chain::read(signer.pem().as_bytes()).unwrap();
        let whole = claim(&signer.notification(None, "m", SystemTime::now()));
        let amazon = Trust::amazon();
        let now = UnixTime::now();
        assert!(!vouches(&chain, &whole, now, Some(&amazon)), "{name}");
        // Were its owner one of Amazon's roots, its name would have to be right, too.
        let trust = Trust::of(signer.pem().as_bytes());
        assert!(!vouches(&chain, &whole, UnixTime::now(), Some(&trust)) || name != "example.com");
        assert!(vouches(&chain, &whole, UnixTime::now(), None), "{name}");
        let other = Signer::new(TOPIC, "http://x").unwrap();
        let other = Chain::read(other.pem().as_bytes()).unwrap();
        assert!(
            !vouches(&other, &whole, UnixTime::now(), None),
            "another key"
        );
        let past = at(1_500_000_000);
        assert!(!vouches(&chain, &whole, past, None), "another time");
    }
}

#[test]
fn a_certificate_of_sns_vouches_for_topics_of_its_own_regions_alone() {
    // The one that AWS published has the name of all regions that have none of their own.
    let whole = claim(&published()["messages"]["notification_version_2"]);
    let with = |topic: &str| {
        let place = Place::of(topic).unwrap();
        let claim = Claim {
            place,
            ..whole.clone()
        };
        vouched(&theirs(), &claim, at(PUBLISHED))
    };
    assert!(with("arn:aws:sns:eu-west-1:123456789012:t"));
    assert!(!with("arn:aws-cn:sns:cn-north-1:123456789012:t"));
    assert!(!with("arn:aws-eusc:sns:eusc-de-east-1:123456789012:t"));
}

#[tokio::test]
async fn a_certificate_that_leads_nowhere_is_as_none() {
    // Served, as far as this can tell, by the place of the topic: nothing is called for what is known.
    let signer = Signer::new(TOPIC, "https://sns.us-east-1.amazonaws.com").unwrap();
    let whole = claim(&signer.notification(None, "m", SystemTime::now()));
    for own in [
        None,
        Some("https://sns.us-east-1.amazonaws.com"),
        Some("http://127.0.0.1:1"),
    ] {
        let own = own.map(|own| own.parse().unwrap());
        let certificates = Certificates::new(Https::new(), own);
        let chain = Chain::read(signer.pem().as_bytes());
        certificates.keep(&whole.certificate_url, Ok(chain));
        assert!(!certificates.vouch(&whole).await.unwrap());
    }
}

#[tokio::test]
async fn no_more_certificates_are_kept_than_may_be() {
    let certificates = Certificates::new(Https::new(), None);
    for number in 0..2 * CERTIFICATES_MAX {
        certificates.keep(&number.to_string(), Ok(Some(theirs())));
    }
    let kept = |number: &usize| certificates.known(&number.to_string()).is_some();
    let kept: Vec<_> = (0..2 * CERTIFICATES_MAX).filter(kept).collect();
    let last: Vec<_> = (CERTIFICATES_MAX..2 * CERTIFICATES_MAX).collect();
    assert_eq!(kept, last);
}
