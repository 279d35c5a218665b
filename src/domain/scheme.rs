//! How a sender proves that a delivery is its own: by a name, for the senders that people have, or by a template.

mod known;
#[cfg(feature = "dev")]
mod signing;

use super::delivery::Delivery;
use super::json::field;
use super::signature::{Secret, is_any};
use super::spelling;
use super::template::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;

/// How a sender proves that a delivery is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// As the settings name it; of a template `template`.
    pub name: &'static str,
    proof: Proof,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
    /// A secret in a header, or signatures: the first of these whose header is there counts.
    Any(Vec<Way>),
    /// AWS SNS: an RSA signature under Amazon's certificate (`domain::sns`).
    Sns,
    /// Nothing at all.
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Signature(Box<Template>),
    /// The secret itself.
    Header(HeaderName, Form),
}

/// How a header carries a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it stands.
    Plain,
    /// After `Bearer` (RFC 6750).
    Bearer,
    /// After `Bearer`, or as it stands.
    BearerOrPlain,
    /// `user:password` in base64 after `Basic` (RFC 7617).
    Basic,
}

/// What a delivery calls itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The sender's id for it: the same when it is sent again.
    pub id: Option<String>,
    /// Whether the sender has vouched for the id, and not only for the body.
    pub id_is_signed: bool,
    /// The type of the event, in the sender's word.
    pub event: Option<String>,
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::try_from(Value::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl TryFrom<Value> for Scheme {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(name) => Self::named(&name),
            Value::Object(_) => {
                let template: Template = serde_json::from_value(value)
                    .map_err(|problem| format!("verify: {problem}"))?;
                let way = Way::Signature(Box::new(template));
                Ok(Self {
                    name: "template",
                    proof: Proof::Any(vec![way]),
                })
            }
            _ => Err("verify: expected the name of a scheme, or a template (an object)".to_owned()),
        }
    }
}

impl Scheme {
    /// The same, of a secret in another header.
    ///
    /// # Errors
    /// A sentence: this scheme has no such setting.
    pub fn in_header(&mut self, name: &str) -> Result<(), String> {
        let parsed = name
            .parse()
            .map_err(|_| format!("header: expected the name of a header, found \"{name}\""))?;
        match &mut self.proof {
            Proof::Any(ways) if self.name == "secret-header" => {
                *ways = vec![Way::Header(parsed, Form::Plain)];
                Ok(())
            }
            _ => Err("header: only verify \"secret-header\" has this setting".to_owned()),
        }
    }

    /// Whether it is AWS SNS's, for which a certificate must vouch.
    #[must_use]
    pub fn is_sns(&self) -> bool {
        self.proof == Proof::Sns
    }

    /// Whether nothing is proven.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.proof == Proof::None
    }

    /// Whether a delivery is proven to be the sender's. `vouched`: whether a certificate did.
    #[must_use]
    pub fn verifies(&self, delivery: &Delivery, secrets: &[Secret], vouched: bool) -> bool {
        match &self.proof {
            Proof::None => true,
            Proof::Sns => vouched,
            Proof::Any(ways) => {
                let way = ways
                    .iter()
                    .find(|way| delivery.headers.contains_key(way.header()));
                match way {
                    Some(Way::Signature(template)) => template.verifies(delivery, secrets),
                    Some(Way::Header(name, form)) => {
                        let value = delivery
                            .headers
                            .get(name)
                            .and_then(|value| value.to_str().ok());
                        value.is_some_and(|value| form.carries(value, secrets))
                    }
                    // CloudEvents' HTTP webhook, like RFC 6750, also lets the token be in the query.
                    None if self.name == "bearer" => {
                        let token = query_value(delivery.query.as_deref(), "access_token");
                        let readings = Form::Bearer.readings(secrets);
                        token.is_some_and(|token| is_any(&readings, &token))
                    }
                    None => false,
                }
            }
        }
    }

    /// The secret without which nothing can be verified and which is not among these, in words.
    #[must_use]
    pub fn missing(&self, secrets: &[Secret]) -> Option<String> {
        let Proof::Any(ways) = &self.proof else {
            return None;
        };
        if secrets.is_empty() {
            return Some("secrets (the signing secrets or tokens)".to_owned());
        }
        let problems = self.secret_problems(secrets);
        let wants = ways.iter().find_map(|way| match way {
            Way::Signature(template) => Some(template.wants()),
            Way::Header(..) => None,
        });
        (problems.len() == secrets.len())
            .then(|| format!("{}: {}", wants.unwrap_or("secrets"), problems.join("; ")))
    }

    /// Which of these secrets nothing can be verified with, and what is wrong with each. No value is quoted.
    #[must_use]
    pub fn secret_problems(&self, secrets: &[Secret]) -> Vec<String> {
        let Proof::Any(ways) = &self.proof else {
            return Vec::new();
        };
        let of = |(index, secret): (usize, &Secret)| {
            let found = ways.iter().map(|way| match way {
                Way::Header(..) => Ok(()),
                Way::Signature(template) => template.keys(secret).map(drop),
            });
            let problem = found.reduce(Result::or)?.err()?;
            Some(format!("secrets[{index}] {problem}"))
        };
        secrets.iter().enumerate().filter_map(of).collect()
    }

    /// What a delivery calls itself.
    #[must_use]
    pub fn named_by(&self, delivery: &Delivery) -> Named {
        let in_header = |name: &HeaderName| {
            let value = delivery.headers.get(name)?.to_str().ok()?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let in_body = |pointer: &Option<String>| field(&delivery.body, pointer.as_deref()?);
        let Proof::Any(ways) = &self.proof else {
            return Named::default();
        };
        let way = ways
            .iter()
            .find(|way| delivery.headers.contains_key(way.header()));
        match way {
            Some(Way::Signature(of)) => {
                let id = of.id_header.as_ref().and_then(in_header);
                let event = of.event_header.as_ref().and_then(in_header);
                let gitlab = || self.gitlab_event(&in_header);
                Named {
                    id: id.or_else(|| in_body(&of.id_field)),
                    id_is_signed: of.signs_id(),
                    event: gitlab().or(event).or_else(|| in_body(&of.event_field)),
                }
            }
            Some(Way::Header(..)) if self.name == "gitlab" => Named {
                id: in_header(&HeaderName::from_static("idempotency-key")),
                id_is_signed: false,
                event: self.gitlab_event(&in_header),
            },
            Some(Way::Header(..)) if self.name == "harbor" => Named {
                event: field(&delivery.body, "/type"),
                ..Named::default()
            },
            _ => Named::default(),
        }
    }

    fn gitlab_event(&self, in_header: &impl Fn(&HeaderName) -> Option<String>) -> Option<String> {
        let event = || in_header(&HeaderName::from_static("x-gitlab-event"));
        (self.name == "gitlab").then(event).flatten()
    }

    /// The header that carries a secret itself, and so may not be kept.
    #[must_use]
    pub fn secret_header(&self) -> Option<&HeaderName> {
        let Proof::Any(ways) = &self.proof else {
            return None;
        };
        ways.iter().find_map(|way| match way {
            Way::Header(name, _) => Some(name),
            Way::Signature(_) => None,
        })
    }

    /// The header that carries the signature, where the operator has named it.
    #[must_use]
    pub fn signature_header(&self) -> Option<&HeaderName> {
        let Proof::Any(ways) = &self.proof else {
            return None;
        };
        ways.iter().find_map(|way| match way {
            Way::Signature(template) => Some(&template.header),
            Way::Header(..) => None,
        })
    }

    /// What cannot be meant, a sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let Proof::Any(ways) = &self.proof else {
            return Vec::new();
        };
        let of = |way: &Way| match way {
            Way::Signature(template) => template.problems(),
            Way::Header(..) => Vec::new(),
        };
        let problems = ways.iter().flat_map(of);
        problems
            .map(|problem| format!("verify: {problem}"))
            .collect()
    }
}

impl Way {
    fn header(&self) -> &HeaderName {
        match self {
            Self::Signature(template) => &template.header,
            Self::Header(name, _) => name,
        }
    }
}

impl Form {
    fn carries(self, value: &str, secrets: &[Secret]) -> bool {
        let after = |word: &str| {
            let (scheme, rest) = value.split_once(' ')?;
            // RFC 9110: the name of a scheme is case-insensitive.
            scheme.eq_ignore_ascii_case(word).then(|| rest.trim_start())
        };
        let readings = self.readings(secrets);
        match self {
            Self::Plain => is_any(&readings, value),
            Self::Bearer => after("bearer").is_some_and(|token| is_any(&readings, token)),
            Self::BearerOrPlain => {
                let bearer = after("bearer").is_some_and(|token| is_any(&readings, token));
                is_any(&readings, value) | bearer
            }
            Self::Basic => {
                let decoded = after("basic").and_then(|text| STANDARD.decode(text).ok());
                let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
                decoded.is_some_and(|pair| is_any(&readings, &pair))
            }
        }
    }

    /// The secrets in the spellings in which people paste them.
    fn readings(self, secrets: &[Secret]) -> Vec<Secret> {
        let of = |secret: &Secret| -> Vec<Secret> {
            let text = secret.expose();
            match self {
                Self::Plain => spelling::plain(text).map(Secret::new).collect(),
                Self::Bearer | Self::BearerOrPlain => {
                    let readings = spelling::token(text, "bearer ").into_iter();
                    readings.map(Secret::new).collect()
                }
                Self::Basic => {
                    let readings = spelling::pair(text).into_iter();
                    readings.map(|text| Secret::new(&text)).collect()
                }
            }
        };
        secrets.iter().flat_map(of).collect()
    }
}

/// The value of this name in a query, decoded.
#[must_use]
pub fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query?.as_bytes());
    let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value);
    values.next().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests;
