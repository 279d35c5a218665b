//! Backblaze B2's own events, which are not S3's: `{"events":[…]}`, one to fifty of them.
//!
//! Source: Backblaze, "Event Notifications Reference Guide" and "Native API String Encoding".

use super::wire::{Aside, Encoding, Told, about_nothing, string};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    /// Each is read by itself: one that is not what it should be is no matter to the others.
    #[serde(borrow)]
    event_type: Option<&'a RawValue>,
    #[serde(borrow)]
    account_id: Option<&'a RawValue>,
    #[serde(borrow)]
    bucket_name: Option<&'a RawValue>,
    #[serde(borrow)]
    object_name: Option<&'a RawValue>,
}

/// Reads one of `events`. A test event is of a type that changes nothing, and names no object.
pub(super) fn event(event: &RawValue) -> Result<Told, Aside> {
    let Ok(wire) = serde_json::from_str::<Wire<'_>>(event.get()) else {
        return Err(Aside::Malformed("an event is no object".to_owned()));
    };
    let event = string(wire.event_type).unwrap_or_default();
    let event = event.strip_prefix("b2:").unwrap_or(&event);
    let (Some(bucket), Some(key)) = (string(wire.bucket_name), string(wire.object_name)) else {
        return Err(about_nothing(event, "bucketName or no objectName"));
    };
    Ok(Told {
        event: event.to_owned(),
        project: string(wire.account_id),
        bucket,
        key,
        // In JSON B2 writes names as they are; only in headers and URLs they are percent-encoded.
        encoding: Encoding::Raw,
    })
}
