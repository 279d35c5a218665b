//! What is published to the topic: a text, and the attributes by which subscribers tell one kind of notice from another.

use super::delivery::DeliveryId;
use super::event::{MeasurementRef, ObjectRef, OriginRef, bucket_of};
use super::job::{Outcome, sendable};
use super::object::Fingerprint;
use super::summary::Summary;
use serde::Serialize;

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of a mail, one line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// Name and value; `kind` is among them, the word of the job that it comes of.
    pub attributes: Vec<(&'static str, String)>,
}

/// What became of the backup of one key.
#[derive(Clone, Copy, Debug)]
pub struct Mirrored<'a> {
    /// The key.
    pub object: &'a ObjectRef,
    /// `copied` or `deleted`.
    pub outcome: Outcome,
    /// Of the origin's state, where it has the object.
    pub fingerprint: Option<&'a Fingerprint>,
    /// Its length in bytes, likewise.
    pub size: Option<u64>,
    /// Where the copy is, or was.
    pub backup_key: &'a str,
    /// What it was done for.
    pub delivery: DeliveryId,
}

/// The text of such a notice. Programs read it: fields may be added, and none is renamed.
#[derive(Serialize)]
struct Text<'a> {
    source: &'a str,
    bucket: &'a str,
    key: &'a str,
    outcome: &'a str,
    fingerprint: Option<String>,
    size: Option<u64>,
    backup_key: &'a str,
    delivery: String,
}

impl Notice {
    /// Of the summary of a measurement.
    #[must_use]
    pub fn of_summary(of: &MeasurementRef, summary: &Summary) -> Self {
        Self {
            subject: format!("Summary of measurement {}", of.measurement),
            text: summary.text(&of.measurement),
            attributes: vec![
                ("kind", "summary".to_owned()),
                ("source", of.source.clone()),
            ],
        }
    }

    /// Of an audit that holds removals.
    #[must_use]
    pub fn of_held(of: &OriginRef, removals: u64, copies: u64, keys: u64) -> Self {
        let (source, bucket) = (&of.source, &of.origin);
        let text = format!(
            "The audit of {source}/{bucket} found {removals} of {copies} copies whose original the origin does not list any more; it lists {keys} keys.\n\
             Nothing was removed. If this is right, invoke the function that works (the output WorkerName) with\n\
             {{\"hookwork\":\"release\",\"source\":\"{source}\",\"bucket\":\"{bucket}\"}}; if it is not, there is nothing to do.\n",
        );
        Self {
            subject: format!("Held: {removals} removals of {source}/{bucket}"),
            text,
            attributes: attributes("audit", source, bucket, Outcome::Held),
        }
    }

    /// Of what became of the backup of one key.
    #[must_use]
    pub fn of_mirrored(done: &Mirrored<'_>) -> Self {
        let object = done.object;
        let text = Text {
            source: &object.source,
            bucket: object.bucket(),
            key: &object.key,
            outcome: done.outcome.word(),
            fingerprint: done.fingerprint.map(ToString::to_string),
            size: done.size,
            backup_key: done.backup_key,
            delivery: done.delivery.to_string(),
        };
        let json = serde_json::to_string(&text).expect("strings and a number");
        Self {
            subject: format!("{}: {}/{}", text.outcome, text.bucket, text.key),
            text: sendable(&json),
            attributes: attributes("mirror", &object.source, &object.origin, done.outcome),
        }
    }
}

fn attributes(
    kind: &str,
    source: &str,
    origin: &str,
    outcome: Outcome,
) -> Vec<(&'static str, String)> {
    vec![
        ("kind", kind.to_owned()),
        ("source", source.to_owned()),
        ("bucket", bucket_of(origin).to_owned()),
        ("outcome", outcome.word().to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    fn of(key: &str, outcome: Outcome) -> Notice {
        let object = ObjectRef {
            source: "vk".to_owned(),
            origin: "mcs1/b".to_owned(),
            key: key.to_owned(),
        };
        Notice::of_mirrored(&Mirrored {
            object: &object,
            outcome,
            fingerprint: None,
            size: (outcome == Outcome::Copied).then_some(7),
            backup_key: &format!("p/{key}"),
            delivery: DeliveryId(Uuid::from_u128(7)),
        })
    }

    /// Programs of others read it.
    #[test]
    fn an_outcome_reads_as_it_always_did() {
        let notice = of("a \"b\"\n$(x)", Outcome::Deleted);
        assert_eq!(
            notice.text,
            r#"{"source":"vk","bucket":"b","key":"a \"b\"\n$(x)","outcome":"deleted","fingerprint":null,"size":null,"backup_key":"p/a \"b\"\n$(x)","delivery":"00000000-0000-0000-0000-000000000007"}"#
        );
        let attributes = [
            ("kind", "mirror"),
            ("source", "vk"),
            ("bucket", "b"),
            ("outcome", "deleted"),
        ];
        assert_eq!(
            notice.attributes,
            attributes.map(|(name, value)| (name, value.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn every_key_survives(key in "\\PC{0,8}[\\x00-\\x1f\\u{7f}\\u{fffe}\\u{ffff}]{0,4}.{0,8}") {
            let notice = of(&key, Outcome::Copied);
            let taken = |c| matches!(c, '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            prop_assert!(notice.text.chars().all(taken));
            let read: Value = serde_json::from_str(&notice.text).unwrap();
            prop_assert_eq!(&read["key"], &json!(key));
            prop_assert_eq!(&read["size"], &json!(7));
        }
    }
}
