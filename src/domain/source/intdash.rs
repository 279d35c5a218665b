//! intdash: `x-intdash-signature-256` is the base64 of HMAC-SHA256(secret, raw body) (source: aptpod's
//! intdash-webhook-example and intdash-sdk-beginner lesson 6, whose captured delivery is a test).

use super::data_filter::{DataFilter, Spelling};
use super::{Message, Proof};
use crate::domain::addresses::Addresses;
use crate::domain::delivery::{Delivery, Rejection};
use crate::domain::event::{Event, MeasurementRef};
use crate::domain::forward::occurrence;
use crate::domain::signature;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::num::NonZeroU32;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-intdash-signature-256";

/// The project that deliveries without one mean (intdash's documented default project).
const DEFAULT_PROJECT: &str = "00000000-0000-0000-0000-000000000000";

/// An intdash server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntdashSource {
    /// Base URL of the server.
    pub url: String,
    /// The actions of a measurement that a summary follows.
    #[serde(default = "default_trigger")]
    pub trigger: Vec<String>,
    /// Which data points count; by default every float64.
    #[serde(default)]
    pub data: DataFilter,
    /// How the server is asked for them.
    #[serde(default)]
    pub filter: Spelling,
    /// The project that deliveries without one mean, and where hooks are made.
    #[serde(default = "default_project")]
    pub project: String,
    /// Path of the hooks' collection; `{project}` stands for the project.
    #[serde(default = "default_hooks_path")]
    pub hooks_path: String,
    /// A path of its own, beside `/hooks/<source>`.
    pub path: Option<String>,
    /// The addresses that it may be delivered from.
    #[serde(default)]
    pub from: Addresses,
    /// Deliveries a second that a process takes of it, on average; none: as many as come.
    #[serde(default)]
    pub rate: Option<NonZeroU32>,
}

fn default_trigger() -> Vec<String> {
    vec!["completed".to_owned(), "finished".to_owned()]
}

fn default_project() -> String {
    DEFAULT_PROJECT.to_owned()
}

fn default_hooks_path() -> String {
    "/api/projects/{project}/hooks".to_owned()
}

#[derive(Deserialize)]
struct Body {
    hook_uuid: Option<String>,
    resource_type: String,
    action: String,
    occurred_at: Option<String>,
    measurement_uuid: Option<String>,
    project_uuid: Option<String>,
    #[serde(default)]
    is_test: bool,
}

impl Body {
    /// A redelivery may have a `delivery_uuid` of its own, but tells of the same hook, action, measurement and time. What has no
    /// time cannot be told from the next of its kind.
    fn known_again(&self) -> Option<String> {
        let parts = [
            self.hook_uuid.as_deref().unwrap_or_default(),
            &self.resource_type,
            &self.action,
            self.project_uuid.as_deref().unwrap_or_default(),
            self.measurement_uuid.as_deref()?,
            self.occurred_at.as_deref()?,
        ];
        Some(occurrence(&parts.map(str::as_bytes)))
    }
}

/// What intdash tells of a measurement; `finished` is what `completed` was called before its release.
const ACTIONS: [&str; 6] = [
    "created",
    "updated",
    "deleted",
    "completed",
    "ended",
    "finished",
];

impl IntdashSource {
    pub(super) fn own_problems(&self) -> Vec<String> {
        let unknown = self
            .trigger
            .iter()
            .filter(|action| !ACTIONS.contains(&action.as_str()));
        let mut problems: Vec<_> = unknown
            .map(|action| {
                format!(
                    "trigger: expected some of {}, found \"{action}\"",
                    ACTIONS.join(", ")
                )
            })
            .collect();
        if self.trigger.is_empty() {
            problems.push("trigger: is empty: nothing would be summarised".to_owned());
        }
        if !is_id(&self.project) {
            let project = &self.project;
            problems.push(format!("project: expected a UUID, found \"{project}\""));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~{}".contains(&b);
        if !self.hooks_path.starts_with('/') || !self.hooks_path.bytes().all(plain) {
            let path = &self.hooks_path;
            problems.push(format!(
                "hooks_path: expected a path like /api/projects/{{project}}/hooks, found \"{path}\""
            ));
        }
        problems
    }

    pub(super) fn open(
        &self,
        name: &str,
        delivery: &Delivery,
        proof: Proof<'_>,
    ) -> Result<Message, Rejection> {
        let by_sender = match proof {
            Proof::Sender { secrets, .. } => {
                let claimed = delivery.headers.get(SIGNATURE_HEADER);
                let claimed = claimed.and_then(|value| STANDARD.decode(value.as_bytes()).ok());
                let claimed = claimed.unwrap_or_default();
                if !signature::verify(&secrets.secrets, &delivery.body, &claimed) {
                    return Err(Rejection::Unauthentic);
                }
                true
            }
            Proof::Operator => false,
        };
        let body: Body = serde_json::from_slice(&delivery.body).map_err(|_| {
            Rejection::Malformed("expected a JSON object with resource_type and action".to_owned())
        })?;
        if body.is_test {
            return Ok(Message::nothing("test delivery: its ids are random"));
        }
        if body.resource_type != "measurement" || !self.trigger.contains(&body.action) {
            return Ok(Message::nothing(format!(
                "{} {} triggers nothing",
                body.resource_type, body.action
            )));
        }
        let occurrence = body.known_again().filter(|_| by_sender);
        let project = body.project_uuid.unwrap_or_else(|| self.project.clone());
        match body.measurement_uuid.filter(|id| is_id(id)) {
            Some(measurement) if is_id(&project) => {
                Ok(Message::Events(vec![Event::Measurement(MeasurementRef {
                    source: name.to_owned(),
                    project,
                    measurement,
                    occurrence,
                })]))
            }
            _ => Err(Rejection::Malformed(
                "expected measurement_uuid and project_uuid of letters, digits and -".to_owned(),
            )),
        }
    }
}

/// Ids go into a URL and a subject, so nothing else than a UUID's characters, and the letters that samples use, gets in.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secrets::SourceSecrets;
    use crate::domain::signature::{Secret, hmac_sha256};
    use http::{HeaderMap, HeaderValue};

    fn source() -> IntdashSource {
        serde_json::from_str(r#"{"url": "https://example.intdash.jp"}"#).unwrap()
    }

    fn open(secret: &str, signature: &str, body: &str) -> Result<Message, Rejection> {
        opened(&source(), secret, signature, body)
    }

    fn opened(
        source: &IntdashSource,
        secret: &str,
        signature: &str,
        body: &str,
    ) -> Result<Message, Rejection> {
        let mut headers = HeaderMap::new();
        headers.insert(
            "X-Intdash-Signature-256",
            HeaderValue::from_str(signature).unwrap(),
        );
        let delivery = Delivery::post(headers, body.to_owned());
        let secrets = SourceSecrets {
            secrets: vec![Secret::new("previous"), Secret::new(secret)],
            ..SourceSecrets::default()
        };
        let proof = Proof::Sender {
            secrets: &secrets,
            vouched: false,
        };
        match source.open("i", &delivery, proof)? {
            Message::Events(mut events) => {
                for event in &mut events {
                    if let Event::Measurement(of) = event {
                        of.occurrence = None;
                    }
                }
                Ok(Message::Events(events))
            }
            other => Ok(other),
        }
    }

    fn sign(body: &str) -> String {
        STANDARD.encode(hmac_sha256(b"s", body.as_bytes()))
    }

    fn signed(body: &str) -> Result<Message, Rejection> {
        open("s", &sign(body), body)
    }

    fn measurement(project: &str, measurement: &str) -> Message {
        let (source, project, measurement) =
            ("i".to_owned(), project.to_owned(), measurement.to_owned());
        Message::Events(vec![Event::Measurement(MeasurementRef {
            source,
            project,
            measurement,
            occurrence: None,
        })])
    }

    #[test]
    fn the_official_delivery_is_authentic_and_the_derived_ones_are_not() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap();
        let vectors = vectors["intdash_signature"].as_array().unwrap();
        let text = |index: usize, field: &str| vectors[index][field].as_str().unwrap().to_owned();
        let (secret, body, signature) = (text(0, "secret"), text(0, "body"), text(0, "signature"));
        let expected = measurement(DEFAULT_PROJECT, "1a14f158-2a0c-44c7-ace1-e0d21ecc93e9");
        assert_eq!(open(&secret, &signature, &body), Ok(expected.clone()));
        // The trailing newline of a secret file is trimmed, so the sender's signature verifies and the 2023 one does not.
        assert_eq!(open(&text(2, "secret"), &signature, &body), Ok(expected));
        assert_eq!(
            open(&secret, &text(2, "signature"), &body),
            Err(Rejection::Unauthentic)
        );
        assert_eq!(
            open(&secret, &signature, &text(1, "body")),
            Err(Rejection::Unauthentic)
        );
        let article = open(&text(3, "secret"), &text(3, "signature"), &text(3, "body"));
        assert_eq!(article, Ok(measurement(DEFAULT_PROJECT, "xxxxxxx")));
    }

    #[test]
    fn refuses_a_missing_or_broken_signature() {
        for signature in ["", "x", "====", "sha256=00"] {
            assert_eq!(open("s", signature, "{}"), Err(Rejection::Unauthentic));
        }
    }

    #[test]
    fn only_a_finished_measurement_triggers() {
        let nothing = |body: &str| matches!(signed(body), Ok(Message::Events(events)) if matches!(events[..], [Event::Nothing { .. }]));
        assert!(nothing(
            r#"{"resource_type":"measurement","action":"created","measurement_uuid":"m"}"#
        ));
        assert!(nothing(
            r#"{"resource_type":"measurement","action":"ended","measurement_uuid":"m"}"#
        ));
        assert!(nothing(
            r#"{"resource_type":"edge","action":"completed","edge_uuid":"e"}"#
        ));
        assert!(nothing(
            r#"{"resource_type":"measurement","action":"completed","measurement_uuid":"m","is_test":true}"#
        ));
        let finished = signed(
            r#"{"resource_type":"measurement","action":"finished","measurement_uuid":"m","project_uuid":"p"}"#,
        );
        assert_eq!(finished, Ok(measurement("p", "m")));
    }

    #[test]
    fn what_is_authentic_but_not_the_shape_is_malformed() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"resource_type":"measurement","action":"completed"}"#,
            r#"{"resource_type":"measurement","action":"completed","measurement_uuid":"../x"}"#,
        ] {
            assert!(
                matches!(signed(body), Err(Rejection::Malformed(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn a_delivery_without_a_project_means_the_source_s_own() {
        let mut source = source();
        source.project = "p7".to_owned();
        let body = r#"{"resource_type":"measurement","action":"completed","measurement_uuid":"m"}"#;
        assert_eq!(
            opened(&source, "s", &sign(body), body),
            Ok(measurement("p7", "m"))
        );
        assert_eq!(source.own_problems(), [""; 0]);
        source.project = "../x".to_owned();
        source.hooks_path = "hooks?x".to_owned();
        let problems = source.own_problems();
        assert!(problems[0].starts_with("project: ") && problems[1].starts_with("hooks_path: "));
    }

    #[test]
    fn settings_that_are_not_known_are_errors() {
        for settings in [
            r#"{"url": "http://x", "filter": "xyz"}"#,
            r#"{"url": "http://x", "data": "string/*"}"#,
            r#"{"url": "http://x", "hook_path": "/x"}"#,
        ] {
            let read = serde_json::from_str::<IntdashSource>(settings);
            assert!(read.is_err(), "{settings}");
        }
        let source: IntdashSource = serde_json::from_str(
            r#"{"url": "http://x", "filter": "data_id_filter", "data": ["int64/*"], "project": "p", "hooks_path": "/api/v1/webhook/projects/{project}/hooks"}"#,
        )
        .unwrap();
        assert_eq!(source.filter, Spelling::DataIdFilter);
    }
}
