//! What the backup's bucket keeps of copies that are changed or removed, where it lies, and what follows from each. Only reads.

use super::doctor::Check;
use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::domain::keeping::Lifecycle;

type Tell<'a> = &'a mut (dyn FnMut(Check) + Send);

/// Tells of each setting of the backup's bucket in a line.
pub(super) async fn keeping(what: &str, backup: &Bucket, tell: Tell<'_>) {
    region(what, backup, tell).await;
    let versions = backup.keeps_versions().await;
    let kept = matches!(versions, Ok(true));
    let what_versions = format!("{what}: versions");
    tell(match versions {
        Ok(true) => Check::pass(
            what_versions,
            "kept: what a copy replaces, or a removal takes away, can be had back",
        ),
        Ok(false) => Check::warn(
            what_versions,
            "NONE ARE KEPT: each removal and each overwrite is final",
            "turn versioning on (aws s3api put-bucket-versioning --bucket NAME --versioning-configuration Status=Enabled): without it what an origin loses is lost here, too",
        ),
        Err(error) => unseen(what_versions, &error, "s3:GetBucketVersioning"),
    });
    let days = lock(what, backup, tell).await;
    let what_access = format!("{what}: public access");
    tell(match backup.public_access_block().await {
        Ok(Some(block)) if block.acls && block.policies => {
            Check::pass(what_access, "blocked, whatever a policy or a list says")
        }
        Ok(block) => {
            let (acls, policies) = block.map_or((false, false), |it| (it.acls, it.policies));
            let open = match (acls, policies) {
                (false, false) => "policies and access control lists",
                (false, true) => "access control lists",
                _ => "policies",
            };
            Check::warn(
                what_access,
                format!("the bucket itself does not block it through {open}"),
                "one wrong policy would show the backup to everybody: turn on all four settings of its public access block (the account's own may block it as well)",
            )
        }
        Err(error) => unseen(what_access, &error, "s3:GetBucketPublicAccessBlock"),
    });
    let what_cycle = format!("{what}: lifecycle");
    match backup.lifecycle().await {
        Ok(rules) => tell_lifecycle(&what_cycle, Lifecycle::of(&rules), kept, days, tell),
        Err(error) => tell(unseen(what_cycle, &error, "s3:GetLifecycleConfiguration")),
    }
}

async fn region(what: &str, backup: &Bucket, tell: Tell<'_>) {
    let what = format!("{what}: region");
    tell(match backup.region().await {
        Ok((lies, asked)) if lies == asked => Check::pass(what, lies),
        Ok((lies, asked)) => Check::warn(
            what,
            format!("it lies in {lies}, and is asked for in {asked}"),
            &format!(
                "it is found by itself, at one request more in each process: set BACKUP_REGION to {lies}; what goes from region to region is paid for"
            ),
        ),
        Err(error) if error.kind == Kind::BadAnswer => {
            Check::pass(what, "the storage does not say")
        }
        Err(error) => unseen(what, &error, "s3:ListBucket"),
    });
}

/// Tells of Object Lock. Returns for how many days it retains what is replaced or removed.
async fn lock(what: &str, backup: &Bucket, tell: Tell<'_>) -> u32 {
    let what = format!("{what}: Object Lock");
    match backup.object_lock().await {
        Ok(None) => tell(Check::pass(
            what,
            "none: whoever may remove versions can remove the backup for good",
        )),
        Ok(Some(None)) => tell(Check::warn(
            what,
            "it is on, and there is no default retention: nothing is retained",
            "copies carry no retention of their own: give the bucket a default one",
        )),
        Ok(Some(Some(kept))) => {
            tell(Check::pass(
                what,
                format!(
                    "{}; parts of objects over 8 MiB are read into memory before they are sent",
                    kept.described()
                ),
            ));
            return kept.in_days();
        }
        Err(error) => tell(unseen(what, &error, "s3:GetBucketObjectLockConfiguration")),
    }
    0
}

fn tell_lifecycle(what: &str, cycle: Lifecycle, versions: bool, locked: u32, tell: Tell<'_>) {
    if cycle.expires {
        tell(Check::warn(
            format!("{what}: current versions"),
            "a rule removes them",
            "copies that the origin still has go, and each audit copies them again: take that rule away",
        ));
    }
    let what_old = format!("{what}: old versions");
    let unless = match locked {
        0 => String::new(),
        days => format!(", unless it was written less than {days} days ago"),
    };
    tell(match cycle.noncurrent_days {
        Some(days) => Check::pass(
            what_old,
            format!(
                "what was replaced or removed can be had back for {days} days, then it goes{unless}"
            ),
        ),
        None if versions => Check::pass(
            what_old,
            "no rule removes them: what was replaced or removed stays, and is paid for",
        ),
        None => Check::pass(what_old, "no rule removes them, and there are none"),
    });
    let what_uploads = format!("{what}: uploads");
    tell(match cycle.upload_days {
        Some(days) => Check::pass(
            what_uploads,
            format!("those that nobody goes on with are dropped after {days} days"),
        ),
        None => Check::warn(
            what_uploads,
            "no rule drops those that nobody goes on with",
            "their parts are paid for, and no listing shows them: add a lifecycle rule with AbortIncompleteMultipartUpload",
        ),
    });
}

/// A call that only the doctor makes: that it is denied, or not known, hinders nobody.
fn unseen(what: String, error: &CallError, permission: &str) -> Check {
    match error.kind {
        Kind::Denied => Check::warn(
            what,
            error.to_string(),
            &format!("allow yourself {permission} to see it; the function does without"),
        ),
        Kind::Refused | Kind::NotFound => Check::warn(
            what,
            error.to_string(),
            "the storage does not know this call: look into its own settings",
        ),
        _ => Check::failed(what, error, "ask again"),
    }
}
