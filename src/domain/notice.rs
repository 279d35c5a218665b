//! What is published to the topic: a text, and the attributes by which subscribers tell one kind of notice from another.

use super::bound::Bound;
use super::delivery::DeliveryId;
use super::event::{MeasurementRef, ObjectRef, OriginRef, bucket_of};
use super::job::{Outcome, sendable, takes};
use super::object::Fingerprint;
use super::source::data_filter::Spelling;
use super::source::intdash::IntdashSource;
use super::summary::{Facts, Message, Summary, mail};
use serde::Serialize;
use std::collections::BTreeMap;

/// SNS takes this many bytes of a message, its attributes among them.
const MESSAGE_MAX: usize = 256 * 1024;
/// What is left of them for the attributes: six of the longest value, with their names and types, and some numbers.
const ATTRIBUTES_MAX: usize = 2 * 1024;
/// The longest text of a notice, in bytes.
pub static TEXT_MAX: Bound<usize> = Bound::new("notice.text", MESSAGE_MAX - ATTRIBUTES_MAX);
/// More digits than SNS takes of a number.
const DIGITS_MAX: usize = 38;

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of a mail, one line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// What it says to programs, where that is something else: JSON. Together with the text it is no longer than SNS takes.
    pub machine: Option<String>,
    /// Name and value; `kind` is among them, the word of the job that it comes of.
    pub attributes: Vec<(&'static str, String)>,
    /// The same of numbers, in decimal digits.
    pub numbers: Vec<(&'static str, String)>,
}

/// A measurement and what its data points amount to.
#[derive(Clone, Copy, Debug)]
pub struct Summarised<'a> {
    /// The measurement.
    pub of: &'a MeasurementRef,
    /// The source's settings: what was asked for.
    pub settings: &'a IntdashSource,
    /// The measurement's own facts, where the server has them.
    pub facts: Option<&'a Facts>,
    /// Whether the server has some that could not be read.
    pub unread: bool,
    /// The statistics.
    pub summary: &'a Summary,
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
    /// Of the summary of a measurement. Of one that is too long for its notice, `kept` is where the whole is, if anywhere.
    #[must_use]
    pub fn of_summary(done: &Summarised<'_>, kept: Option<&str>) -> Self {
        let (text, machine) = done.spoken(kept);
        let all = done.summary.over_all();
        let count = Some(all.count().to_string());
        let numbers = [
            ("count", count),
            ("mean", all.mean().and_then(digits)),
            ("variance", all.variance().and_then(digits)),
        ];
        let numbers = numbers.into_iter();
        Self {
            subject: format!("Summary of measurement {}", done.of.measurement),
            text,
            machine: Some(machine),
            attributes: vec![
                ("kind", "summary".to_owned()),
                ("source", done.of.source.clone()),
                ("project", done.of.project.clone()),
                ("measurement", done.of.measurement.clone()),
            ],
            numbers: numbers
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
        }
    }

    /// Of an audit that holds removals.
    #[must_use]
    pub fn of_held(of: &OriginRef, removals: u64, copies: u64, keys: u64) -> Self {
        let (source, bucket) = (&of.source, &of.origin);
        let text = format!(
            "The audit of {source}/{bucket} found {removals} of {copies} copies whose original the origin does not list any more; it lists {keys} keys.\n\
             Nothing was removed. If this is right, invoke the function that works (the output WorkerName) with\n\
             {{\"hookwork\":\"release\",\"source\":\"{source}\",\"bucket\":\"{bucket}\",\"removals\":{removals}}}; if it is not, there is nothing to do.\n",
        );
        Self {
            subject: format!("Held: {removals} removals of {source}/{bucket}"),
            text,
            machine: None,
            attributes: attributes("audit", source, bucket, Outcome::Held),
            numbers: Vec::new(),
        }
    }

    /// Of removals told by events that are held: so many were let go in this hour.
    #[must_use]
    pub fn of_brake(of: &OriginRef, gone: u64) -> Self {
        let (source, bucket) = (&of.source, &of.origin);
        let text = format!(
            "Objects of {source}/{bucket} are removed at its origin, more of them within this hour than the rule lets go at once: {gone} copies were removed, and the removals after them are held.\n\
             The inbox shows them. If this is right, approve them there, or invoke the function that works (the output WorkerName) with\n\
             {{\"hookwork\":\"release\",\"source\":\"{source}\",\"bucket\":\"{bucket}\"}}; if it is not, reject them there.\n",
        );
        Self {
            subject: format!("Held: removals of {source}/{bucket}"),
            text,
            machine: None,
            attributes: attributes("audit", source, bucket, Outcome::Held),
            numbers: Vec::new(),
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
            machine: None,
            attributes: attributes("mirror", &object.source, &object.origin, done.outcome),
            numbers: Vec::new(),
        }
    }

    /// A text for each protocol, as `MessageStructure=json` wants it, where programs are told something else than people.
    #[must_use]
    pub fn structured(&self) -> Option<String> {
        self.machine
            .as_deref()
            .map(|machine| by_protocol(&self.text, machine))
    }
}

fn by_protocol(text: &str, machine: &str) -> String {
    let programs = ["http", "https", "lambda", "sqs"];
    let programs = programs.map(|protocol| (protocol, machine));
    let all: BTreeMap<_, _> = programs.into_iter().chain([("default", text)]).collect();
    serde_json::to_string(&all).expect("strings")
}

impl Summarised<'_> {
    /// What is remarkable about the numbers of points, a sentence each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let asked_for = self.settings.data.shown();
        let asked_for = (self.settings.filter != Spelling::None).then_some(asked_for.as_str());
        let facts = self.facts;
        let mut remarks = facts.map_or(Vec::new(), |facts| {
            facts.remarks(self.summary.points(), asked_for)
        });
        if self.unread {
            let unread = "The measurement's own facts could not be read: whether all of its points were is not known.";
            remarks.push(unread.to_owned());
        }
        remarks
    }

    /// The JSON with every row, where that is too long for a notice.
    #[must_use]
    pub fn too_long(&self) -> Option<String> {
        self.whole().err()
    }

    /// The mail and the JSON with every row; where both are too long, only that JSON.
    fn whole(&self) -> Result<(String, String), String> {
        let rows = self.summary.rows();
        let (text, json) = (
            mail(self, None),
            Message::new(self, &rows, rows.len(), None).json(),
        );
        if by_protocol(&text, &json).len() <= TEXT_MAX.get() {
            Ok((text, json))
        } else {
            Err(json)
        }
    }

    /// The mail and the JSON, which is cut where both are too long.
    fn spoken(&self, kept: Option<&str>) -> (String, String) {
        if let Ok(whole) = self.whole() {
            return whole;
        }
        let rows = self.summary.rows();
        let more = match kept {
            Some(kept) => format!("All data ids are in {kept}"),
            None => {
                "The statistics of all data ids are not kept: there is no STATE_BUCKET".to_owned()
            }
        };
        let text = mail(self, Some(&more));
        let with = |so_many| Message::new(self, &rows, so_many, Some(kept.unwrap_or(&more))).json();
        // As many rows as fit. Without any it does fit: whatever else there is has a bound of its own.
        let (mut fits, mut too_many) = (0, rows.len() + 1);
        while fits + 1 < too_many {
            let middle = fits.midpoint(too_many);
            if by_protocol(&text, &with(middle)).len() <= TEXT_MAX.get() {
                fits = middle;
            } else {
                too_many = middle;
            }
        }
        let json = with(fits);
        (text, json)
    }
}

/// A number in decimal digits, where it has no more of them than SNS takes.
fn digits(value: f64) -> Option<String> {
    let text = value.to_string();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (digits <= DIGITS_MAX).then_some(text)
}

/// Foreign text as a human may be shown it: without what a terminal or a mail program might act on, and not too long.
pub(super) fn clean(text: &str, chars: usize) -> String {
    let harmful = |c: char| !takes(c) || reorders(c);
    let mut clean: String = text
        .chars()
        .take(chars)
        .map(|c| if harmful(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(chars).is_some() {
        clean.push('…');
    }
    clean
}

/// Whether what follows, or came before, would be shown in another order or on another line.
#[must_use]
pub fn reorders(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
