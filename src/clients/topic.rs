//! The SNS topic that notices are published to.

use super::error::CallError;
use crate::domain::job::takes;
use crate::domain::notice::{Notice, TEXT_MAX};
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;

/// The longest value of an attribute, in bytes.
const VALUE_MAX: usize = 256;
/// SNS takes fewer characters of a subject than this: ASCII, without line breaks.
const SUBJECT_MAX: usize = 100;

/// One topic.
#[derive(Clone, Debug)]
pub struct Topic {
    pub(super) client: Client,
    pub(super) arn: String,
}

impl Topic {
    pub(super) fn new(client: Client, arn: &str) -> Self {
        Self {
            client,
            arn: arn.to_owned(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Publishes a notice. A text longer than SNS takes is cut, and says so at its end.
    ///
    /// # Errors
    /// The topic refused or did not answer.
    pub async fn publish(&self, notice: &Notice) -> Result<(), CallError> {
        let publish = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(plain(&notice.subject));
        let mut publish = match notice.structured() {
            Some(texts) => publish.message(texts).message_structure("json"),
            None => publish.message(cut(&notice.text)),
        };
        let of_type = |kind, all: &[(&'static str, String)]| {
            let legal = all.iter().map(|(name, value)| (*name, legal(value)));
            legal
                .map(|(name, value)| (name, kind, value))
                .collect::<Vec<_>>()
        };
        let mut attributes = of_type("String", &notice.attributes);
        attributes.extend(of_type("Number", &notice.numbers));
        for (name, kind, value) in attributes {
            // SNS refuses a notice with an empty one.
            if !value.is_empty() {
                let value = MessageAttributeValue::builder()
                    .data_type(kind)
                    .string_value(value)
                    .build()
                    .expect("a type is there");
                publish = publish.message_attributes(name, value);
            }
        }
        publish
            .send()
            .await
            .map(drop)
            .map_err(|e| CallError::of("Publish", &self.arn, &e))
    }
}

fn plain(subject: &str) -> String {
    subject
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(SUBJECT_MAX - 1)
        .collect()
}

fn cut(text: &str) -> String {
    const POINTER: &str = "\n[cut here: the rest is in the function's log]\n";
    if text.len() <= TEXT_MAX.get() {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_MAX.get() - POINTER.len());
    format!("{}{POINTER}", &text[..end])
}

/// What of a value an attribute may have.
fn legal(value: &str) -> String {
    let legal: String = value.chars().filter(|c| takes(*c)).collect();
    legal[..legal.floor_char_boundary(VALUE_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_fits_into_what_sns_takes() {
        assert_eq!(plain("a\nb é").as_str(), "ab ");
        assert_eq!(plain(&"x".repeat(200)).len(), 99);
        let long = cut(&"é".repeat(200_000));
        assert!(long.len() <= TEXT_MAX.get() && long.ends_with("log]\n"));
        assert_eq!(legal("mcs1/b\n\u{ffff}é"), "mcs1/bé");
        assert_eq!(legal(&"é".repeat(200)).len(), VALUE_MAX);
        assert_eq!(cut("short"), "short");
    }
}
