//! What the dialects put on the wire, read into one shape: what happened, in which bucket, to which key.

use crate::domain::bound::Bound;
use crate::domain::delivery::Rejection;
use crate::domain::event::Event;
use crate::domain::object::KEY_MAX;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// How a key is spelled on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    Raw,
    /// As in a form: `+` for a space, `%XX` for a byte.
    Form,
    /// Not documented.
    Either,
}

/// What one record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Its name, without the dialect's own word before it.
    pub(super) event: String,
    /// The project or account that the bucket is of.
    pub(super) project: Option<String>,
    pub(super) bucket: String,
    /// As on the wire.
    pub(super) key: String,
    pub(super) encoding: Encoding,
}

/// A record that says nothing of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// It is about none; the sentence says what it is about.
    Nothing(String),
    /// It should; the sentence says what is missing.
    Malformed(String),
}

impl From<Aside> for Event {
    fn from(aside: Aside) -> Self {
        match aside {
            Aside::Malformed(reason) => Self::Malformed(reason),
            Aside::Nothing(reason) => Self::Nothing {
                bucket: None,
                key: None,
                reason,
            },
        }
    }
}

/// The event names after which no object that is copied has changed, whatever follows after a colon. Every other name is a hint
/// where bucket and key can be read: each storage has its own list of names, which grows.
const CHANGES_NOTHING: [&str; 23] = [
    "TestEvent",
    "ObjectAccessed",
    // The bytes can be read only when the restoration is completed.
    "ObjectRestore:Post",
    // Access lists are not copied.
    "ObjectAcl",
    "BucketCreated",
    "BucketRemoved",
    // MinIO's remarks on what lies there.
    "Scanner",
    // Backblaze, and the bare API calls: nothing is there before the upload is completed.
    "MultipartUploadCreated",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "AbortMultipartUpload",
    // Reading.
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectTagging",
    "HeadObject",
    "HeadBucket",
    "ListBucket",
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "ListParts",
];

/// The first word of event names that are of an object for sure. VK's console also speaks of the bare API calls.
const OF_OBJECTS: [&str; 14] = [
    "ObjectCreated",
    "ObjectRemoved",
    "ObjectTagging",
    "ObjectRestore",
    "ObjectLifecycle",
    "LifecycleExpiration",
    "LifecycleDelMarkerExpiration",
    "ObjectSynced",
    "PutObject",
    "PutObjectCopy",
    "CompleteMultipartUpload",
    "DeleteObject",
    // Backblaze: a version has gone, and the key with it or not; the newest version is hidden.
    "ObjectDeleted",
    "HideMarkerCreated",
];

/// The longest spellings on the wire, in bytes, of what is told back or logged: a key with every byte as `%XX`, a bucket.
const WIRE_KEY_MAX: usize = 3 * KEY_MAX;
const WIRE_BUCKET_MAX: usize = 255;
/// So much of an unknown event name goes into the log.
const EVENT_NAME_SHOWN: usize = 64;
/// The most records of one delivery. Senders post one or a few; anyone who knows the URL can post more.
pub(super) static RECORDS_MAX: Bound<usize> = Bound::new("delivery.records", 1000);

/// A body as all dialects together have it.
#[derive(Deserialize)]
pub(super) struct Body<'a> {
    #[serde(rename = "Records", borrow)]
    pub(super) records: Option<Records<'a>>,
    /// Backblaze's records.
    #[serde(borrow)]
    pub(super) events: Option<Records<'a>>,
    /// What stands beside the records is read by itself, so that it is no matter to them, whatever it is.
    #[serde(rename = "Type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(rename = "Event", borrow)]
    event: Option<&'a RawValue>,
    /// MinIO's word for what its only record says, and `<bucket>/<key>`, as it is.
    #[serde(rename = "EventName", borrow)]
    event_name: Option<&'a RawValue>,
    #[serde(rename = "Key", borrow)]
    key: Option<&'a RawValue>,
}

/// A field that is a string; none of anything else.
pub(super) fn string(field: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(field?.get()).ok()
}

/// The records of a body, one more than may be at most: anyone could post millions.
pub(super) struct Records<'a>(pub(super) Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Records<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Listed;
        impl<'de> Visitor<'de> for Listed {
            type Value = Records<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records<'de>, A::Error> {
                let mut records = Vec::new();
                while records.len() <= RECORDS_MAX.get() {
                    match list.next_element()? {
                        Some(record) => records.push(record),
                        None => return Ok(Records(records)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Records(records))
            }
        }
        from.deserialize_seq(Listed)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    /// Whatever it is: a hint needs bucket and key alone.
    #[serde(borrow)]
    event_name: Option<&'a RawValue>,
    /// Read by itself: a tree of whatever else is in it could be many times its size.
    #[serde(borrow)]
    s3: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireS3<'a> {
    #[serde(borrow)]
    bucket: WireBucket<'a>,
    object: WireObject,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBucket<'a> {
    name: String,
    #[serde(borrow)]
    owner_identity: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireOwner<'a> {
    #[serde(borrow)]
    principal_id: Option<&'a RawValue>,
}

impl WireBucket<'_> {
    /// The project that the bucket is of, where that can be read.
    fn project(&self) -> Option<String> {
        let owner: WireOwner<'_> = serde_json::from_str(self.owner_identity?.get()).ok()?;
        string(owner.principal_id)
    }
}

#[derive(Deserialize)]
struct WireObject {
    key: String,
}

impl<'a> Body<'a> {
    pub(super) fn read(body: &'a str) -> Result<Self, Rejection> {
        serde_json::from_str(body).map_err(|_| {
            let what =
                "expected a JSON object with the records of this source's flavor, or a handshake";
            Rejection::Malformed(what.to_owned())
        })
    }

    /// Its `Type`, where that is a word.
    pub(super) fn kind(&self) -> Option<String> {
        string(self.kind)
    }

    /// Its `Event`, likewise.
    pub(super) fn event(&self) -> Option<String> {
        string(self.event)
    }

    /// What MinIO says around its record.
    pub(super) fn envelope(&self) -> Option<Told> {
        let key = string(self.key)?;
        let (bucket, key) = key.split_once('/')?;
        let event = string(self.event_name).unwrap_or_default();
        Some(Told {
            event: without_dialect(&event).to_owned(),
            project: None,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            encoding: Encoding::Raw,
        })
    }
}

/// Reads a record of `Records`.
pub(super) fn record(record: &RawValue, encoding: Encoding) -> Result<Told, Aside> {
    let Ok(Record { event_name, s3 }) = serde_json::from_str::<Record<'_>>(record.get()) else {
        return Err(Aside::Malformed("a record is no object".to_owned()));
    };
    let event = string(event_name).unwrap_or_default();
    let event = without_dialect(&event);
    let Some(WireS3 { bucket, object }) = s3.and_then(|s3| serde_json::from_str(s3.get()).ok())
    else {
        return Err(about_nothing(event, "s3.bucket.name or no s3.object.key"));
    };
    Ok(Told {
        event: event.to_owned(),
        project: bucket.project(),
        bucket: bucket.name,
        key: object.key,
        encoding,
    })
}

/// What a record comes to that names no object: such as MinIO's `s3:BucketCreated:*`, which is about none.
pub(super) fn about_nothing(event: &str, lacks: &str) -> Aside {
    if is_of_object(event) {
        Aside::Malformed(format!("a record has no {lacks}"))
    } else {
        Aside::Nothing(unknown(event))
    }
}

fn without_dialect(event: &str) -> &str {
    event.strip_prefix("s3:").unwrap_or(event)
}

/// Whether no object has changed after an event of this name.
pub(super) fn changes_nothing(event: &str) -> bool {
    CHANGES_NOTHING.iter().any(|name| {
        let rest = event.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    })
}

/// Whether an event of this name is of an object, so that it must say of which; one without a name is, too.
pub(super) fn is_of_object(event: &str) -> bool {
    event.is_empty() || OF_OBJECTS.contains(&event.split(':').next().unwrap_or_default())
}

/// Why there is nothing to do for an event of this name.
pub(super) fn unknown(event: &str) -> String {
    let shown: String = event.chars().take(EVENT_NAME_SHOWN).collect();
    format!("event name {shown:?} is not one that changes an object")
}

impl Told {
    /// Whether bucket and key are no longer than any can be.
    pub(super) fn fits(&self) -> bool {
        self.key.len() <= WIRE_KEY_MAX && self.bucket.len() <= WIRE_BUCKET_MAX
    }
}

/// The keys that a key of the wire may stand for: those that can be keys.
pub(super) fn readings(encoding: Encoding, wire: &str) -> Vec<String> {
    let form = || {
        let decoded = percent_decode_str(&wire.replace('+', " "))
            .decode_utf8()
            .ok()
            .map(Cow::into_owned);
        decoded.into_iter()
    };
    let mut keys: Vec<String> = match encoding {
        Encoding::Raw => vec![wire.to_owned()],
        Encoding::Form => form().collect(),
        // Where the two readings differ, both keys are looked at. One of them is the one that changed, and a look at the other
        // one only makes its backup right.
        Encoding::Either => std::iter::once(wire.to_owned())
            .chain(form().filter(|decoded| decoded != wire))
            .collect(),
    };
    keys.retain(|key| (1..=KEY_MAX).contains(&key.len()));
    keys
}
