//! The SNS topic that notices are published to.

use super::error::CallError;
use aws_sdk_sns::Client;

/// SNS takes this many bytes of a message.
const MESSAGE_MAX: usize = 256 * 1024;
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

    /// Publishes a notice. A text longer than SNS takes is cut, and says so at its end.
    ///
    /// # Errors
    /// The topic refused or did not answer.
    pub async fn publish(&self, subject: &str, text: &str) -> Result<(), CallError> {
        let publish = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(plain(subject))
            .message(cut(text));
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
    if text.len() <= MESSAGE_MAX {
        return text.to_owned();
    }
    let mut end = MESSAGE_MAX - POINTER.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{POINTER}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_fits_into_what_sns_takes() {
        assert_eq!(plain("a\nb é").as_str(), "ab ");
        assert_eq!(plain(&"x".repeat(200)).len(), 99);
        let long = cut(&"é".repeat(200_000));
        assert!(long.len() <= MESSAGE_MAX && long.ends_with("log]\n"));
        assert_eq!(cut("short"), "short");
    }
}
