//! Any other sender: its delivery is verified as the settings say, and handed on as it came.

use super::{Message, Proof};
use crate::domain::addresses::Addresses;
use crate::domain::delivery::{Delivery, Rejection};
use crate::domain::event::Event;
use crate::domain::forward::{Forward, occurrence};
use crate::domain::handshake::{self, Answer};
use crate::domain::scheme::{Named, Scheme, query_value};
use crate::domain::secrets::SourceSecrets;
use crate::domain::signature::is_any;
use crate::domain::sns::{self, Claim, Envelope, Opened};
use http::Method;
use serde::Deserialize;
use std::num::NonZeroU32;

/// Any sender.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Wire")]
pub struct GenericSource {
    /// How it proves that a delivery is its own.
    pub verify: Scheme,
    /// Of AWS SNS: the ARNs of the topics whose messages are believed. Anybody can have a topic of his own.
    pub topics: Vec<String>,
    /// A path of its own, beside `/hooks/<source>`.
    pub path: Option<String>,
    /// The addresses that it may be delivered from.
    pub from: Addresses,
    /// Deliveries a second that a process takes of it, on average; none: as many as come.
    pub rate: Option<NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    verify: Scheme,
    header: Option<String>,
    #[serde(default)]
    topics: Vec<String>,
    path: Option<String>,
    #[serde(default)]
    from: Addresses,
    rate: Option<NonZeroU32>,
}

impl TryFrom<Wire> for GenericSource {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let mut verify = wire.verify;
        if let Some(header) = &wire.header {
            verify.in_header(header)?;
        }
        if !wire.topics.is_empty() && !verify.is_sns() {
            return Err("topics: only verify \"sns\" has this setting".to_owned());
        }
        Ok(Self {
            verify,
            topics: wire.topics,
            path: wire.path,
            from: wire.from,
            rate: wire.rate,
        })
    }
}

impl GenericSource {
    pub(super) fn open(
        &self,
        name: &str,
        delivery: &Delivery,
        proof: Proof<'_>,
    ) -> Result<Message, Rejection> {
        let envelope = self.envelope(delivery);
        if let Some(envelope) = envelope.clone() {
            match envelope.open(&self.topics, delivery.received, proof)? {
                Opened::Published(_) => {}
                Opened::Confirm(it) => return Ok(Message::Confirm(it)),
                Opened::Ended(topic) => return Ok(Message::Ended(topic)),
            }
        }
        let occurs = match proof {
            Proof::Operator => false,
            Proof::Sender { secrets, vouched } => {
                if let Some(answer) = self.unproven(delivery, secrets)? {
                    return Ok(Message::Challenge(answer));
                }
                if !self.verify.verifies(delivery, &secrets.secrets, vouched) {
                    return Err(Rejection::Unauthentic);
                }
                true
            }
        };
        // X signs its handshake as it signs deliveries, so what it may have us sign must not be one (see `handshake::crc`).
        if self.verify.name == "x" && !starts_an_object(&delivery.body) {
            return Err(Rejection::Malformed("expected a JSON object".to_owned()));
        }
        if self.answers_challenges()
            && let Some(answer) = handshake::json_challenge(&delivery.body)?
        {
            return Ok(Message::Challenge(answer));
        }
        let named = envelope.map_or_else(
            || self.verify.named_by(delivery),
            |envelope| Named {
                id: Some(envelope.message_id),
                id_is_signed: true,
                event: envelope.subject,
            },
        );
        let id = named.id.as_deref().filter(|_| occurs);
        let known_again = id.map(|id| {
            // An id that nobody signed must not make another delivery pass for done.
            let body = (!named.id_is_signed).then_some(&delivery.body[..]);
            occurrence(&[id.as_bytes(), body.unwrap_or_default()])
        });
        Ok(Message::Events(vec![Event::Forward(Forward::new(
            name,
            named,
            known_again,
            delivery,
        ))]))
    }

    /// What a certificate must vouch for before this delivery can be opened.
    pub(super) fn claim(&self, delivery: &Delivery) -> Option<Claim> {
        let envelope = self.envelope(delivery)?;
        sns::claim(&envelope, &self.topics, delivery.received)
    }

    fn envelope(&self, delivery: &Delivery) -> Option<Envelope> {
        let is_sns = self.verify.is_sns();
        is_sns.then(|| Envelope::read(&delivery.body)).flatten()
    }

    /// The answer to a handshake that comes without proof, or with one of its own. None of a delivery.
    fn unproven(
        &self,
        delivery: &Delivery,
        secrets: &SourceSecrets,
    ) -> Result<Option<Answer>, Rejection> {
        let query = delivery.query.as_deref();
        let in_query = |name| query_value(query, name);
        match delivery.method {
            Method::OPTIONS => handshake::web_hook_origin(&delivery.headers).map(Some),
            Method::POST | Method::GET
                if self.answers_validation() && in_query("validationToken").is_some() =>
            {
                handshake::echo(in_query("validationToken").unwrap_or_default()).map(Some)
            }
            Method::POST => Ok(None),
            Method::GET if self.verify.name == "x" => {
                let token = in_query("crc_token").ok_or(Rejection::Method)?;
                let secret = secrets.secrets.first().ok_or(Rejection::Unauthentic)?;
                handshake::crc(&token, secret).map(Some)
            }
            Method::GET if self.answers_subscriptions() => {
                let challenge = in_query("hub.challenge").ok_or(Rejection::Method)?;
                let claimed = in_query("hub.verify_token").unwrap_or_default();
                let known = secrets.verify_token.as_ref().map(std::slice::from_ref);
                let known = known.unwrap_or(&secrets.secrets);
                let free = self.verify.is_none() && known.is_empty();
                if !free && !is_any(known, &claimed) {
                    return Err(Rejection::Unauthentic);
                }
                match in_query("hub.mode").as_deref() {
                    Some("subscribe" | "unsubscribe") => handshake::echo(challenge).map(Some),
                    _ => Err(Rejection::Malformed(
                        "expected subscribe or unsubscribe as hub.mode".to_owned(),
                    )),
                }
            }
            _ => Err(Rejection::Method),
        }
    }

    /// Those whose sender is not known by name may ask in any of the ways.
    fn is_anybody(&self) -> bool {
        matches!(
            self.verify.name,
            "bearer" | "basic" | "secret-header" | "none" | "template"
        )
    }

    fn answers_challenges(&self) -> bool {
        self.is_anybody() || self.verify.name == "slack"
    }

    fn answers_validation(&self) -> bool {
        self.is_anybody()
    }

    fn answers_subscriptions(&self) -> bool {
        self.is_anybody() || self.verify.name == "meta"
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.verify.problems();
        problems.extend(sns::topic_problems(&self.topics));
        problems
    }
}

fn starts_an_object(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    first == Some(&b'{')
}

#[cfg(test)]
#[path = "generic_tests.rs"]
mod tests;
