//! What a backup's bucket keeps of copies that were changed or removed, and what follows from that.

/// How long Object Lock retains each new version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: Option<String>,
    /// For so many days,
    pub days: Option<u32>,
    /// or years.
    pub years: Option<u32>,
}

impl Retention {
    /// In days, as S3 counts them.
    #[must_use]
    pub fn in_days(&self) -> u32 {
        self.days
            .or(self.years.map(|years| years.saturating_mul(365)))
            .unwrap_or_default()
    }

    /// In words: how long nobody can remove a version, and who can all the same.
    #[must_use]
    pub fn described(&self) -> String {
        let mode = self.mode.as_deref().unwrap_or("no mode");
        let (count, unit) = match (self.days, self.years) {
            (Some(days), _) => (days, "day"),
            (None, Some(years)) => (years, "year"),
            (None, None) => (0, "day"),
        };
        let plural = if count == 1 { "" } else { "s" };
        let who = match mode {
            "COMPLIANCE" => "nobody can remove a version before that, the account's owner included",
            "GOVERNANCE" => {
                "before that only who may s3:BypassGovernanceRetention can remove a version"
            }
            _ => "S3 alone knows who may remove a version before that",
        };
        format!("{mode}, {count} {unit}{plural}: {who}")
    }
}

/// How what is written is to be encrypted by S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// As the header spells it.
    pub algorithm: &'static str,
    /// The ARN of the KMS key; none where S3 takes the bucket's own.
    pub key: Option<String>,
}

impl Encryption {
    /// The algorithms that S3 knows.
    pub const ALGORITHMS: [&str; 3] = ["AES256", "aws:kms", "aws:kms:dsse"];

    /// From a setting and the key that goes with it.
    ///
    /// # Errors
    /// A sentence: what was expected.
    pub fn parse(algorithm: Option<&str>, key: Option<&str>) -> Result<Option<Self>, String> {
        let Some(algorithm) = algorithm else {
            return match key {
                Some(_) => Err("BACKUP_SSE_KEY is set without BACKUP_SSE: set aws:kms".to_owned()),
                None => Ok(None),
            };
        };
        let known = Self::ALGORITHMS.into_iter().find(|one| *one == algorithm);
        let Some(known) = known else {
            let all = Self::ALGORITHMS.join(", ");
            return Err(format!(
                "BACKUP_SSE: expected one of {all}, found \"{algorithm}\""
            ));
        };
        if let Some(key) = key {
            if known == "AES256" {
                return Err(
                    "BACKUP_SSE_KEY: AES256 takes no key: set BACKUP_SSE to aws:kms".to_owned(),
                );
            }
            // It becomes a header's value.
            if !key.starts_with("arn:") || !key.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(format!(
                    "BACKUP_SSE_KEY: expected the ARN of a KMS key, found \"{}\"",
                    key.escape_debug()
                ));
            }
        }
        Ok(Some(Self {
            algorithm: known,
            key: key.map(ToOwned::to_owned),
        }))
    }
}

/// What of public access a bucket blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Through access control lists.
    pub acls: bool,
    /// Through policies.
    pub policies: bool,
}

/// A rule of a bucket's lifecycle that is turned on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// It is for some objects only.
    pub narrow: bool,
    /// It removes current versions.
    pub expires: bool,
    /// It removes versions that were replaced or removed so many days ago.
    pub noncurrent_days: Option<u32>,
    /// It drops uploads that were opened so many days ago and never completed.
    pub upload_days: Option<u32>,
}

/// What the rules of a lifecycle come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Some rule removes copies that the origin still has.
    pub expires: bool,
    /// Noncurrent versions go after so many days at the earliest.
    pub noncurrent_days: Option<u32>,
    /// Uploads that were left are dropped after so many days, wherever they lie.
    pub upload_days: Option<u32>,
}

impl Lifecycle {
    /// Of all the rules that are turned on.
    #[must_use]
    pub fn of(rules: &[Rule]) -> Self {
        let everywhere = rules.iter().filter(|rule| !rule.narrow);
        Self {
            expires: rules.iter().any(|rule| rule.expires),
            noncurrent_days: rules.iter().filter_map(|rule| rule.noncurrent_days).min(),
            upload_days: everywhere.filter_map(|rule| rule.upload_days).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_says_for_how_long_and_for_whom() {
        let kept = |mode: &str, days, years| Retention {
            mode: Some(mode.to_owned()),
            days,
            years,
        };
        let one = kept("GOVERNANCE", Some(1), None);
        assert!(one.described().starts_with("GOVERNANCE, 1 day: "));
        assert!(one.described().contains("s3:BypassGovernanceRetention"));
        let long = kept("COMPLIANCE", None, Some(7));
        assert!(long.described().starts_with("COMPLIANCE, 7 years: nobody"));
        assert_eq!((one.in_days(), long.in_days()), (1, 2555));
        assert_eq!(Retention::default().in_days(), 0);
    }

    #[test]
    fn a_lifecycle_is_the_strictest_of_its_rules() {
        let noncurrent = |days, narrow| Rule {
            noncurrent_days: Some(days),
            narrow,
            ..Rule::default()
        };
        let uploads = |narrow| Rule {
            upload_days: Some(7),
            narrow,
            ..Rule::default()
        };
        let all = Lifecycle::of(&[noncurrent(30, false), noncurrent(3, true), uploads(true)]);
        assert_eq!(
            all.noncurrent_days,
            Some(3),
            "some versions go after three days"
        );
        assert_eq!(all.upload_days, None, "uploads elsewhere stay");
        assert!(!all.expires);
        assert_eq!(Lifecycle::of(&[uploads(false)]).upload_days, Some(7));
        let expires = Rule {
            expires: true,
            narrow: true,
            ..Rule::default()
        };
        assert!(Lifecycle::of(&[expires]).expires);
    }
}
