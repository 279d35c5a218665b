//! Is everything there that the settings speak of, and does it do what the mirror takes for granted? Each check is told in a line,
//! with what to do about it. Only reads, unless it may write a probe.

use super::super::App;
use super::advice::{advice, is_no_call};
use super::keeping::keeping;
use super::probe::{apart, reads, writes};
use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::clients::queue::Depth;
use crate::domain::event::{MeasurementRef, bucket_of};
use crate::domain::session::{SessionKey, TOKEN_MIN, is_guessable};
use crate::domain::source::Source;
use crate::domain::source::intdash::IntdashSource;
use crate::domain::source::s3::S3Source;
use serde::Serialize;

/// How long a function works at most, in seconds: Lambda's own limit.
const WORK_MAX: u64 = 900;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It works, and something is to be known.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    /// All is well.
    pub fn pass(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, what, found, None)
    }

    /// Something is to be known.
    pub fn warn(what: impl Into<String>, found: impl Into<String>, advice: &str) -> Self {
        Self::new(Verdict::Warn, what, found, Some(advice.to_owned()))
    }

    /// It does not work.
    pub fn fail(what: impl Into<String>, found: impl Into<String>, advice: &str) -> Self {
        Self::new(Verdict::Fail, what, found, Some(advice.to_owned()))
    }

    fn new(
        verdict: Verdict,
        what: impl Into<String>,
        found: impl Into<String>,
        advice: Option<String>,
    ) -> Self {
        Self {
            what: what.into(),
            verdict,
            found: found.into(),
            advice,
        }
    }

    /// A call that only the doctor makes: that it is denied, or that the server does not know it, hinders nobody.
    fn unseen(what: impl Into<String>, error: &CallError, denied: &str) -> Self {
        let advice = advice(error);
        match (error.kind, advice) {
            (Kind::Denied, None) => Self::warn(what, error.to_string(), denied),
            (_, Some(advice)) if is_no_call(error) => Self::warn(what, error.to_string(), advice),
            _ => Self::failed(what, error, denied),
        }
    }

    /// A call that failed, and what to do about it: by the error where that tells it, else by the call.
    pub(super) fn failed(what: impl Into<String>, error: &CallError, by_call: &str) -> Self {
        let advice = advice(error).unwrap_or(by_call);
        Self::fail(what, error.to_string(), advice)
    }
}

/// Whom checks are told to, as they end.
type Tell<'a> = &'a mut (dyn FnMut(Check) + Send);

impl App {
    /// Checks everything that the settings speak of. With a prefix, a probe object is put under it and removed, at the backup, and at
    /// origins whose keys may.
    pub async fn examine(&self, probe: Option<&str>, tell: Tell<'_>) {
        self.secret_values(tell).await;
        for (name, source) in &self.sources {
            match source {
                Source::S3(source) => self.origins_of(name, source, probe, tell).await,
                Source::Intdash(source) => self.server(name, source, tell).await,
                Source::Generic(_) => {}
            }
        }
        if let Some(backup) = &self.backup {
            let what = format!("backup {}", backup.name());
            tell(ours(&what, backup).await);
            keeping(&what, backup, tell).await;
            if let Some(prefix) = probe {
                writes(&what, backup, prefix, false, tell).await;
            }
        }
        match &self.state {
            Some(state) => tell(ours(&format!("state {}", state.name()), state).await),
            None => tell(Check::warn(
                "state",
                "STATE_BUCKET is not set",
                "without one there is no brake: whatever is removed at the origin is removed at once; a large copy that was cut short starts anew, there are no audits, a delivery that comes twice is published twice, and none can be replayed",
            )),
        }
        self.queues(tell).await;
        if let Some(topic) = &self.topic {
            tell(match topic.subscribers().await {
                Ok(0) => Check::warn(
                    "topic",
                    "nobody has confirmed a subscription",
                    "notices go nowhere: subscribe to it, and confirm by the mail that comes",
                ),
                Ok(count) => Check::pass("topic", format!("{count} confirmed subscriptions")),
                Err(error) => Check::unseen(
                    "topic",
                    &error,
                    "allow yourself sns:GetTopicAttributes; the function needs sns:Publish only",
                ),
            });
        }
    }

    /// Each secret is read, and each source has in them what it wants.
    async fn secret_values(&self, tell: Tell<'_>) {
        for (id, read) in self.secrets.each().await {
            let what = format!("secret {id}");
            tell(match read {
                Err(error) => Check::failed(
                    what,
                    &error,
                    "secretsmanager:GetSecretValue is denied, or kms:Decrypt for its key",
                ),
                Ok(parsed) if !parsed.problems.is_empty() => Check::fail(
                    what,
                    parsed.problems.join("; "),
                    "put the JSON that README.md shows under Secrets",
                ),
                Ok(parsed) if !parsed.trimmed.is_empty() => Check::warn(
                    what,
                    format!(
                        "a secret of {} ends in a line break",
                        parsed.trimmed.join(", ")
                    ),
                    "it is trimmed; write it without, so that others read the same",
                ),
                Ok(_) => Check::pass(what, "reads"),
            });
        }
        let secrets = self.secrets.get().await;
        let strangers = secrets
            .names()
            .filter(|name| !self.sources.contains_key(*name));
        for name in strangers {
            tell(Check::warn(
                format!("secrets of {name}"),
                "there is no source of this name",
                "a misspelt name leaves the source that is meant without them",
            ));
        }
        // Without a state bucket there is nothing to look at.
        if self.state.is_some() {
            tell(match secrets.inbox_token().map(SessionKey::of) {
                Some(Some(_)) if secrets.inbox_token().is_some_and(is_guessable) => Check::warn(
                    "inbox",
                    "its token could be guessed",
                    "no number of wrong tokens locks the inbox: make a long random one, with openssl rand -hex 32",
                ),
                Some(Some(_)) => Check::pass("inbox", "has its token"),
                Some(None) => Check::fail(
                    "inbox",
                    format!("its token has fewer than {TOKEN_MIN} characters"),
                    "/inbox answers 500 until it has a long random one",
                ),
                None => Check::warn(
                    "inbox",
                    "it has no token",
                    "/inbox answers 500: put {\"inbox\": {\"token\": …}}, long and random, into the inbox's secret; with --settings, name its file, too",
                ),
            });
        }
        for (name, source) in &self.sources {
            let what = format!("source {name}: secrets");
            let known = secrets.of(name);
            let lacks = source
                .missing_to_open(known)
                .or(source.missing_to_work(known).map(ToOwned::to_owned));
            let odd = known.map_or(Vec::new(), |known| source.secret_problems(known));
            let open = known.is_none_or(|known| known.url_key.is_none());
            tell(match (lacks, source) {
                (Some(wants), _) => Check::fail(
                    what,
                    format!("it wants {wants}"),
                    "its deliveries are refused with 500 until the secret has it",
                ),
                (None, _) if !odd.is_empty() => Check::fail(
                    what,
                    odd.join("; "),
                    "nothing can be verified with it: copy it from the sender's dashboard once more",
                ),
                (None, Source::S3(_)) if open => Check::warn(
                    what,
                    "there is no url_key",
                    "whoever knows the URL can post events; they harm no object, but cost calls: choose a long random url_key",
                ),
                (None, Source::Generic(found)) if open && found.verify.is_none() => Check::warn(
                    what,
                    "verify is \"none\", and there is no url_key",
                    "whoever knows the URL can publish to the topic: choose a long random url_key",
                ),
                (None, Source::Generic(found))
                    if found.verify.is_sns() && found.topics.is_empty() =>
                {
                    Check::warn(
                        what,
                        "topics is empty: nothing that SNS delivers is believed",
                        "name the ARNs of the topics in SOURCES",
                    )
                }
                (None, _) => Check::pass(what, "has what it wants"),
            });
        }
    }

    /// Every origin bucket of a source, with every live key.
    async fn origins_of(&self, name: &str, source: &S3Source, probe: Option<&str>, tell: Tell<'_>) {
        let secrets = self.secrets.get().await;
        let keys = secrets.of(name).map(|known| &known.access_keys[..]);
        for (number, key) in keys.unwrap_or_default().iter().enumerate() {
            for origin in source.buckets.keys() {
                let bucket =
                    self.aws
                        .origin(&source.endpoint, &source.region, key, bucket_of(origin));
                let which = if number == 0 {
                    String::new()
                } else {
                    format!(" (key {})", number + 1)
                };
                let what = format!("origin {name}/{origin}{which}");
                if !reads(&what, &bucket, tell).await {
                    continue;
                }
                if let Some(prefix) = probe {
                    writes(&what, &bucket, prefix, true, tell).await;
                }
                if let (0, Some(prefix), Some(backup)) = (number, probe, &self.backup) {
                    apart(&what, &bucket, backup, prefix, tell).await;
                }
            }
        }
    }

    /// An intdash server lets the token in.
    async fn server(&self, name: &str, source: &IntdashSource, tell: Tell<'_>) {
        let what = format!("source {name}: server");
        let secrets = self.secrets.get().await;
        let token = secrets.of(name).and_then(|known| known.api_token.as_ref());
        let (Some(token), Some(server)) = (token, self.servers.get(name)) else {
            return;
        };
        // The library's own error would quote the token.
        if http::HeaderValue::from_str(token.expose()).is_err() {
            return tell(Check::fail(
                what,
                "the api_token is no header value",
                "it has a line break or another control character in it: put it without",
            ));
        }
        let nil = "00000000-0000-0000-0000-000000000000".to_owned();
        let nobody = MeasurementRef {
            source: name.to_owned(),
            project: source.project.clone(),
            measurement: nil,
            occurrence: None,
        };
        let asked = server.points(&nobody, source, token, |_| ()).await;
        let answers = "answers, and takes the api_token";
        tell(match asked {
            Ok(()) => Check::pass(what, answers),
            Err(error) if matches!(error.kind, Kind::Denied | Kind::Unknown) => Check::failed(
                what,
                &error,
                "the server refuses the api_token: put one that is live",
            ),
            // Of a measurement that nobody made it has nothing, and says so as intdash does.
            Err(_) if server.knows_no(&nobody, token).await => Check::pass(what, answers),
            Err(error) => Check::warn(
                what,
                error.to_string(),
                "this is not what an intdash server says of a measurement that nobody made: check the source's url",
            ),
        });
    }

    async fn queues(&self, tell: Tell<'_>) {
        let denied = "allow yourself sqs:GetQueueAttributes; the functions do without";
        match &self.queue {
            None => tell(Check::pass(
                "queue",
                "none: the work is done before the answer",
            )),
            Some(queue) => match queue.depth().await {
                Ok(depth) => {
                    let Depth {
                        waiting, hidden, ..
                    } = depth;
                    let found = format!("{waiting} jobs wait, {hidden} are worked at");
                    tell(Check::pass("queue", found));
                    if depth.visibility < WORK_MAX {
                        tell(Check::warn(
                            "queue: visibility timeout",
                            format!("{} s", depth.visibility),
                            "the work takes up to 900 s: a job may come a second time before it is done; set it to more",
                        ));
                    }
                }
                Err(error) => tell(Check::unseen("queue", &error, denied)),
            },
        }
        let Some(letters) = &self.dead_letters else {
            if self.queue.is_some() {
                tell(Check::warn(
                    "dead letters",
                    "DEAD_LETTERS_URL is not set",
                    "jobs that cannot be done come until the queue itself gives up, without a reason",
                ));
            }
            return;
        };
        tell(match letters.depth().await {
            Ok(depth) if depth.waiting + depth.hidden > 0 => Check::warn(
                "dead letters",
                format!("{} jobs could not be done", depth.waiting + depth.hidden),
                "hookctl dead-letters list says which and why",
            ),
            Ok(_) => Check::pass("dead letters", "none"),
            Err(error) => Check::unseen("dead letters", &error, denied),
        });
    }
}

/// A bucket of our own lists.
async fn ours(what: &str, bucket: &Bucket) -> Check {
    match bucket.page("", None).await {
        Ok((page, last)) => {
            let more = if last { "" } else { " and more" };
            Check::pass(what, format!("lists {} objects{more}", page.len()))
        }
        Err(error) => Check::failed(what, &error, "s3:ListBucket on the bucket is denied"),
    }
}
