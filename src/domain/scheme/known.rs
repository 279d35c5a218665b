//! The senders that are known by name, and how each proves itself.

use super::{Form, Proof, Scheme, Way};
use http::{HeaderName, header};

/// Standard Webhooks (source: its specification).
const STANDARD_WEBHOOKS: &str = r#"{"header": "webhook-signature", "separator": " ", "prefix": "v1,", "encoding": "base64",
    "signed": "{id}.{timestamp}.{body}", "key": "base64", "key_prefix": "whsec_", "timestamp_header": "webhook-timestamp",
    "id_header": "webhook-id", "event_field": "/type"}"#;

/// The senders that sign with an HMAC, each in the words in which an operator would write it. Of several templates the first
/// whose header is there counts.
pub(super) const TEMPLATES: [(&str, &[&str]); 10] = [
    // docs.github.com, "Validating webhook deliveries".
    (
        "github",
        &[
            r#"{"header": "x-hub-signature-256", "prefix": "sha256=", "encoding": "hex",
        "id_header": "x-github-delivery", "event_header": "x-github-event"}"#,
        ],
    ),
    // Atlassian, "Enhanced webhook security": SHA-256 in the header that others have SHA-1 in.
    (
        "bitbucket",
        &[
            r#"{"header": "x-hub-signature", "prefix": "sha256=", "encoding": "hex",
        "id_header": "x-request-uuid", "event_header": "x-event-key"}"#,
        ],
    ),
    // stripe/stripe-go webhook/client.go: the secret is the key as it stands, whsec_ included.
    (
        "stripe",
        &[
            r#"{"header": "stripe-signature", "separator": ",", "prefix": "v1=", "encoding": "hex",
        "signed": "{timestamp}.{body}", "timestamp_header": "stripe-signature", "timestamp_prefix": "t=",
        "id_field": "/id", "event_field": "/type"}"#,
        ],
    ),
    // slackapi/python-slack-sdk signature verifier.
    (
        "slack",
        &[
            r#"{"header": "x-slack-signature", "prefix": "v0=", "encoding": "hex", "signed": "v0:{timestamp}:{body}",
        "timestamp_header": "x-slack-request-timestamp", "id_field": "/event_id", "event_field": "/event/type"}"#,
        ],
    ),
    ("standard-webhooks", &[STANDARD_WEBHOOKS]),
    // svix/svix-webhooks rust/src/webhooks.rs: the same, under its own names or the standard's.
    (
        "svix",
        &[
            r#"{"header": "svix-signature", "separator": " ", "prefix": "v1,", "encoding": "base64",
        "signed": "{id}.{timestamp}.{body}", "key": "base64", "key_prefix": "whsec_", "timestamp_header": "svix-timestamp",
        "id_header": "svix-id", "event_field": "/type"}"#,
            STANDARD_WEBHOOKS,
        ],
    ),
    // developers.facebook.com: keyed by the app's secret.
    (
        "meta",
        &[
            r#"{"header": "x-hub-signature-256", "prefix": "sha256=", "encoding": "hex", "event_field": "/object"}"#,
        ],
    ),
    // shopify.dev, "Verify deliveries".
    (
        "shopify",
        &[r#"{"header": "x-shopify-hmac-sha256", "encoding": "base64",
        "id_header": "x-shopify-webhook-id", "event_header": "x-shopify-topic"}"#],
    ),
    // developer.x.com, "Securing webhooks".
    (
        "x",
        &[
            r#"{"header": "x-twitter-webhooks-signature", "prefix": "sha256=", "encoding": "base64"}"#,
        ],
    ),
    // Backblaze, "Trigger an action from an event notification".
    (
        "backblaze-b2",
        &[
            r#"{"header": "x-bz-event-notification-signature", "prefix": "v1=", "encoding": "hex",
        "event_field": "/events/0/eventType"}"#,
        ],
    ),
];

/// Those that are no template.
const OTHERS: [&str; 7] = [
    "gitlab",
    "harbor",
    "bearer",
    "basic",
    "secret-header",
    "sns",
    "none",
];

impl Scheme {
    /// The scheme of this name.
    ///
    /// # Errors
    /// A sentence that says which there are.
    pub fn named(wanted: &str) -> Result<Self, String> {
        use Form::{Basic, Bearer, BearerOrPlain, Plain};
        let header = |name, form| Proof::Any(vec![Way::Header(name, form)]);
        let template = TEMPLATES.iter().find(|(name, _)| *name == wanted);
        let other = OTHERS.iter().find(|name| **name == wanted);
        let (name, proof) = match (template, other) {
            (Some((name, templates)), _) => {
                let ways = templates.iter().map(|json| signature(json));
                (*name, Proof::Any(ways.collect()))
            }
            (None, Some(name)) => {
                let proof = match *name {
                    // docs.gitlab.com, "Webhooks": a token, or a signature as Standard Webhooks has it (18.11 and later).
                    "gitlab" => {
                        let token = Way::Header(HeaderName::from_static("x-gitlab-token"), Plain);
                        Proof::Any(vec![signature(STANDARD_WEBHOOKS), token])
                    }
                    // goharbor/website, "Configure webhooks": the policy's auth header, verbatim. MinIO's `auth_token` likewise.
                    "harbor" => header(header::AUTHORIZATION, BearerOrPlain),
                    "bearer" => header(header::AUTHORIZATION, Bearer),
                    "basic" => header(header::AUTHORIZATION, Basic),
                    "secret-header" => header(HeaderName::from_static("secret"), Plain),
                    "sns" => Proof::Sns,
                    _ => Proof::None,
                };
                (*name, proof)
            }
            (None, None) => {
                let mut names: Vec<_> = TEMPLATES.iter().map(|(name, _)| *name).collect();
                names.extend(OTHERS);
                names.sort_unstable();
                return Err(format!(
                    "verify: expected a template (an object) or one of {}, found \"{wanted}\"",
                    names.join(", ")
                ));
            }
        };
        Ok(Self { name, proof })
    }
}

fn signature(json: &str) -> Way {
    let template = serde_json::from_str(json).expect("a test reads every one");
    Way::Signature(Box::new(template))
}
