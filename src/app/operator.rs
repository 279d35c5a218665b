//! What an operator has done by hand, from a machine of his own: with the function's settings, its clients and its mirror.
//!
//! Feature `dev`: the function has none of it.

pub mod advice;
pub mod backfill;
pub mod compare;
pub mod doctor;
pub mod hooks;
pub mod intdash_hooks;
mod keeping;
pub mod letters;
mod probe;

use super::{App, missing};
use crate::clients::bucket::Bucket;
use crate::domain::event::{OriginRef, bucket_of};
use crate::domain::secrets::AccessKey;
use crate::domain::source::Source;
use crate::domain::source::rule::BucketRule;
use crate::domain::source::s3::S3Source;
use crate::error::WorkError;

/// An origin bucket that answers, its backup, and the rule between them.
struct Reached<'a> {
    rule: &'a BucketRule,
    origin: Bucket,
    backup: &'a Bucket,
}

impl App {
    /// The origin bucket of a source that is meant: as the allow-list spells it, or by its own name where only one has it.
    ///
    /// # Errors
    /// A sentence that says which there are.
    pub fn origin_named(&self, source: &str, bucket: &str) -> Result<OriginRef, String> {
        let found = self.storage(source)?;
        let origin = |name: &String| OriginRef {
            source: source.to_owned(),
            origin: name.clone(),
        };
        if let Some((name, _)) = found.buckets.get_key_value(bucket) {
            return Ok(origin(name));
        }
        let names = || found.buckets.keys();
        let meant: Vec<_> = names().filter(|name| bucket_of(name) == bucket).collect();
        if let [name] = meant[..] {
            return Ok(origin(name));
        }
        let which = if meant.is_empty() {
            "no bucket"
        } else {
            "several buckets"
        };
        let names: Vec<_> = names().map(String::as_str).collect();
        let names = names.join(", ");
        Err(format!(
            "source {source} has {which} \"{bucket}\": expected one of {names}"
        ))
    }

    /// The source of kind `s3` of this name.
    ///
    /// # Errors
    /// A sentence that says which there are.
    pub fn storage(&self, source: &str) -> Result<&S3Source, String> {
        match self.source(source)? {
            Source::S3(found) => Ok(found),
            Source::Intdash(_) | Source::Generic(_) => {
                Err(format!("source {source}: expected one of kind s3"))
            }
        }
    }

    /// The source of this name.
    ///
    /// # Errors
    /// A sentence that says which there are.
    pub fn source(&self, name: &str) -> Result<&Source, String> {
        self.sources.get(name).ok_or_else(|| {
            let names: Vec<_> = self.sources.keys().map(String::as_str).collect();
            format!(
                "there is no source {name}: expected one of {}",
                names.join(", ")
            )
        })
    }

    /// The origin's keys, newest first.
    async fn access_keys(&self, source: &str) -> Result<Vec<AccessKey>, WorkError> {
        let secrets = self.secrets.get().await;
        let known = secrets.of(source).map(|known| known.access_keys.clone());
        known
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| missing(source, "an access key of the origin"))
    }

    /// Both sides of an origin bucket, with the first of its live keys that is let in.
    async fn reach(&self, of: &OriginRef) -> Result<Reached<'_>, WorkError> {
        let unknown = || WorkError::NotConfigured(of.id());
        let (Some(Source::S3(source)), Some(backup)) = (self.sources.get(&of.source), &self.backup)
        else {
            return Err(unknown());
        };
        let rule = source.buckets.get(&of.origin).ok_or_else(unknown)?;
        let mut refused = None;
        for key in self.access_keys(&of.source).await? {
            let origin = self.origin(source, &of.source, &of.origin, &key);
            match origin.page("", None).await.map_err(WorkError::Origin) {
                Err(error) if error.denied() => refused = Some(error),
                answered => {
                    answered?;
                    return Ok(Reached {
                        rule,
                        origin,
                        backup,
                    });
                }
            }
        }
        Err(refused.unwrap_or_else(unknown))
    }
}
