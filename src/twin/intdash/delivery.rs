//! The sender of intdash's signed deliveries.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use uuid::Uuid;

use super::{DEFAULT_PROJECT, rfc3339};
use crate::twin::sender::{Answer, hmac_sha256, post};

/// The header that carries a delivery's signature.
pub const SIGNATURE_HEADER: &str = "x-intdash-signature-256";

/// A delivery's body, its fields in the order of the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivery {
    /// This delivery; a redelivery has a new one.
    pub delivery_uuid: String,
    /// The hook that was registered.
    pub hook_uuid: String,
    /// Such as `measurement`.
    pub resource_type: String,
    /// Such as `completed`.
    pub action: String,
    /// RFC 3339, UTC.
    pub occurred_at: String,
    /// Real servers leave it out of ordinary deliveries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_test: Option<bool>,
    /// The measurement it is about.
    pub measurement_uuid: String,
    /// The measurement's project.
    pub project_uuid: String,
}

impl Delivery {
    /// A delivery of now about a measurement of the default project.
    pub fn new(measurement: &str, action: &str) -> Self {
        Self {
            delivery_uuid: Uuid::now_v7().to_string(),
            hook_uuid: "5b7ea816-0d3b-4df5-9104-01046ebecf51".to_owned(),
            resource_type: "measurement".to_owned(),
            action: action.to_owned(),
            occurred_at: rfc3339(Some(DateTime::from(SystemTime::now()))),
            is_test: None,
            measurement_uuid: measurement.to_owned(),
            project_uuid: DEFAULT_PROJECT.to_owned(),
        }
    }

    /// The compact body that is signed and sent.
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The signature of a raw body: base64 of HMAC-SHA256.
pub fn signature(secret: &str, body: &[u8]) -> String {
    BASE64.encode(hmac_sha256(secret.as_bytes(), body))
}

/// Signs `body` with `secret` and posts it, as the real server delivers.
///
/// # Errors
/// When no answer came.
pub async fn deliver(
    client: &reqwest::Client,
    url: &str,
    secret: &str,
    body: &str,
) -> Result<Answer, reqwest::Error> {
    let signed = signature(secret, body.as_bytes());
    post(
        client,
        url,
        &[
            (SIGNATURE_HEADER, signed.as_str()),
            ("content-type", "application/json"),
        ],
        body,
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_and_signature_are_those_of_the_official_vector() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap();
        let official = &vectors["intdash_signature"][0];
        let delivery = Delivery {
            delivery_uuid: "d41cd3e1-7bf3-481e-bb68-1efeef5bd62a".to_owned(),
            occurred_at: "2024-12-25T00:23:50.972454Z".to_owned(),
            ..Delivery::new("1a14f158-2a0c-44c7-ace1-e0d21ecc93e9", "completed")
        };
        assert_eq!(delivery.body(), official["body"]);
        let secret = official["secret"].as_str().unwrap();
        assert_eq!(
            signature(secret, delivery.body().as_bytes()),
            official["signature"]
        );
    }
}
