//! Who SNS is, for a topic: its host and the names of its certificates follow from the topic's partition and region, and are
//! compared for equality. A pattern would also fit hosts that anybody can have, such as S3's own for a bucket named `sns`.

use url::Url;

/// The partitions of AWS: the DNS suffix of each, and what its regions begin with.
/// Source: botocore's `partitions.json`.
const PARTITIONS: [(&str, &str, &[&str]); 8] = [
    ("aws", "amazonaws.com", &[]),
    ("aws-cn", "amazonaws.com.cn", &["cn-"]),
    ("aws-us-gov", "amazonaws.com", &["us-gov-"]),
    ("aws-eusc", "amazonaws.eu", &["eusc-"]),
    ("aws-iso", "c2s.ic.gov", &["us-iso-"]),
    ("aws-iso-b", "sc2s.sgov.gov", &["us-isob-"]),
    ("aws-iso-e", "cloud.adc-e.uk", &["eu-isoe-"]),
    ("aws-iso-f", "csp.hci.ic.gov", &["us-isof-", "eu-isof-"]),
];

/// The longest URL that is looked at, in bytes.
const URL_MAX: usize = 4096;
/// The longest name of a topic, in characters.
const NAME_MAX: usize = 256;

/// SNS of one region, as a topic of it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    region: String,
    suffix: &'static str,
}

impl Place {
    /// Of a topic's ARN; none where it is none, or its region is not one of its partition's.
    #[must_use]
    pub fn of(topic: &str) -> Option<Self> {
        let parts: Vec<_> = topic.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else {
            return None;
        };
        let (_, suffix, begins) = PARTITIONS.iter().find(|(known, ..)| *known == partition)?;
        let right = if begins.is_empty() {
            // Two letters, which no other partition's regions begin with.
            let foreign = PARTITIONS.iter().flat_map(|(_, _, begins)| *begins);
            region.find('-') == Some(2) && !foreign.into_iter().any(|of| region.starts_with(of))
        } else {
            begins.iter().any(|of| region.starts_with(of))
        };
        let account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let named = (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(named);
        (right && is_region(region) && account && named).then(|| Self {
            region: region.to_owned(),
            suffix,
        })
    }

    /// The only host of it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("sns.{}.{}", self.region, self.suffix)
    }

    /// Whether a DNS name of a certificate is one that SNS signs with here: the one of its partition, or one of those that some
    /// regions have of their own.
    #[must_use]
    pub fn signs_as(&self, name: &str) -> bool {
        let Self { region, suffix } = self;
        [
            format!("sns.{suffix}"),
            format!("sns.{region}.{suffix}"),
            format!("sns-{region}.{suffix}"),
            format!("sns-signing.{region}.{suffix}"),
        ]
        .iter()
        .any(|known| known == name)
    }

    /// Where a certificate may be fetched that speaks for SNS here: none for any other place, letter by letter, and nothing but
    /// what this gives back may be called. `own` is the endpoint that the operator's own settings name for SNS; there, any
    /// `.pem` will do.
    #[must_use]
    pub fn certificate_url(&self, text: &str, own: Option<&Url>) -> Option<Url> {
        let id = text
            .strip_prefix(&format!("https://{}/", self.host()))
            .and_then(|path| path.strip_prefix("SimpleNotificationService-"))
            .and_then(|rest| rest.strip_suffix(".pem"));
        let id = id.filter(|id| text.len() <= URL_MAX && !id.is_empty());
        if id.is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            return Url::parse(text).ok();
        }
        let at_own = |url: &Url| is_own(url, own) && url.path().ends_with(".pem");
        plain(text).filter(|url| at_own(url) && url.query().is_none())
    }
}

/// Whether a URL is of the endpoint that the operator's own settings name for SNS.
#[must_use]
pub fn is_own(url: &Url, own: Option<&Url>) -> bool {
    own.is_some_and(|own| own.origin() == url.origin())
}

/// A URL without anything that could make it mean another place to somebody else: user, fragment, backslash, line end, what is
/// not ASCII.
pub(super) fn plain(text: &str) -> Option<Url> {
    let ascii = text.len() <= URL_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let url = Some(text)
        .filter(|text| ascii && !text.contains(['@', '\\', '#']))
        .and_then(|text| Url::parse(text).ok())?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// Words of lower-case letters and then a number, such as `us-gov-west-1`: it becomes one label of a host's name.
fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else {
        return false;
    };
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    number && words.contains('-') && words.split('-').all(word)
}

/// A subscription that waits to be confirmed. Where, follows from its topic; the URL that came with it is not followed.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    place: Place,
    topic: String,
    token: String,
}

impl Subscription {
    /// Of a topic, with the token that confirms it.
    pub(super) fn new(topic: &str, token: &str) -> Option<Self> {
        Some(Self {
            place: Place::of(topic)?,
            topic: topic.to_owned(),
            token: token.to_owned(),
        })
    }

    /// The call that confirms it: of SNS where its topic is, or of the operator's `own` endpoint for SNS.
    #[must_use]
    pub fn url(&self, own: Option<&Url>) -> String {
        let place = own.map_or_else(
            || format!("https://{}", self.place.host()),
            |own| own.origin().ascii_serialization(),
        );
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "ConfirmSubscription")
            .append_pair("TopicArn", &self.topic)
            .append_pair("Token", &self.token)
            .append_pair("Version", "2010-03-31")
            .finish();
        format!("{place}/?{query}")
    }
}

// Whoever has the token can confirm.
impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({})", self.topic)
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
