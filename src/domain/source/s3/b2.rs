//! Backblaze B2's own events, which are not S3's: `{"events":[…]}`, one to fifty of them.
//!
//! Source: Backblaze, "Event Notifications Reference Guide" and "Native API String Encoding".

use super::wire::{Aside, Encoding, Told, about_nothing};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    event_type: String,
    account_id: Option<String>,
    bucket_name: Option<String>,
    object_name: Option<String>,
}

/// Reads one of `events`. A test event is of a type that changes nothing, and names no object.
pub(super) fn event(event: &RawValue) -> Result<Told, Aside> {
    let Ok(wire) = serde_json::from_str::<Wire>(event.get()) else {
        return Err(Aside::Malformed(
            "an event is no object with an eventType".to_owned(),
        ));
    };
    let event = wire.event_type.strip_prefix("b2:");
    let event = event.unwrap_or(&wire.event_type);
    let (Some(bucket), Some(key)) = (wire.bucket_name, wire.object_name) else {
        return Err(about_nothing(event, "bucketName or no objectName"));
    };
    Ok(Told {
        event: event.to_owned(),
        project: wire.account_id,
        bucket,
        key,
        // In JSON B2 writes names as they are; only in headers and URLs they are percent-encoded.
        encoding: Encoding::Raw,
    })
}
