//! What the mirror takes for granted of a bucket, tried out on it: by reads alone; and by an object of our own, if we may.

use super::advice::advice;
use super::doctor::Check;
use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::clients::look::Sight;
use crate::domain::audit::Listed;
use crate::domain::checksum::Crc64;
use crate::domain::object::{ETag, Properties};
use crate::domain::parts::PART_USUAL;
use crate::domain::reconcile::{BackupObject, BackupState, Condition};
use bytes::Bytes;
use uuid::Uuid;

/// Keys that proxies and clients like to change on their way.
const HOSTILE: [&str; 6] = [
    "a b+%20é",
    "a//b",
    "a/../b",
    "a/./b",
    "^:%&=?#",
    "a\u{301}/",
];
/// What an MD5 is not.
const NO_ETAG: &str = "\"00000000000000000000000000000000\"";

type Tell<'a> = &'a mut (dyn FnMut(Check) + Send);

/// Reads of an origin. Says whether it lets us in.
pub(super) async fn reads(what: &str, bucket: &Bucket, tell: Tell<'_>) -> bool {
    let page = match bucket.page("", None).await {
        Ok((page, last)) => {
            let more = if last { "" } else { " and more" };
            tell(Check::pass(
                what,
                format!("lists {} objects{more}", page.len()),
            ));
            page
        }
        Err(error) => {
            tell(Check::failed(
                what,
                &error,
                "the origin's keys must be right, and may list the bucket: without that no removal can be proven",
            ));
            return false;
        }
    };
    absences(what, bucket, tell).await;
    let small = |listed: &&Listed| (2..PART_USUAL.get()).contains(&listed.size);
    match page.iter().filter(small).min_by_key(|listed| listed.size) {
        Some(sample) => of_sample(what, bucket, sample, tell).await,
        None => tell(Check::warn(
            format!("{what}: reads"),
            "there is no small object to try them on",
            "put one, and ask again",
        )),
    }
    let odd = |listed: &&Listed| {
        listed
            .key
            .bytes()
            .any(|b| !(b.is_ascii_alphanumeric() || b"-_./".contains(&b)))
    };
    for listed in page.iter().filter(odd).take(3) {
        let what = format!("{what}: keys");
        let changes =
            "the storage changes such keys on their way: those objects cannot be mirrored";
        match bucket.look(&listed.key, 1).await {
            Ok(Sight::Present(..)) => {}
            Ok(Sight::Missing(_)) => {
                let key = listed.key.escape_debug();
                let found = format!("\"{key}\" is listed, and is not there");
                tell(Check::fail(what, found, changes));
            }
            Err(error) => tell(Check::failed(what, &error, changes)),
        }
    }
    true
}

/// What is not there is said not to be there, however it is spelled.
async fn absences(what: &str, bucket: &Bucket, tell: Tell<'_>) {
    let missing = format!("hookwork-doctor/{}", Uuid::now_v7());
    let what_missing = format!("{what}: a missing key");
    let proven = match bucket.look(&missing, 1).await {
        Ok(Sight::Missing(_)) => bucket
            .not_listed(&missing)
            .await
            .map(|proof| proof.is_some()),
        Ok(Sight::Present(..)) => Ok(false),
        Err(error) => Err(error),
    };
    match proven {
        Ok(true) => tell(Check::pass(
            what_missing,
            "404 NoSuchKey, and it is not listed",
        )),
        Ok(false) => tell(Check::fail(
            what_missing,
            "it is said to be there",
            "the storage shows what is not there: nothing it says can be believed",
        )),
        Err(error) => {
            tell(Check::failed(
                what_missing,
                &error,
                "403 instead of 404: give the origin's keys the right to list, else each removal is a 500",
            ));
            return;
        }
    }
    let what = format!("{what}: keys");
    let mut refused = Vec::new();
    for key in HOSTILE {
        match bucket.look(&format!("{missing}/{key}"), 1).await {
            Ok(_) => {}
            // What a storage does not take, it cannot have either.
            Err(error) if error.kind == Kind::Refused => refused.push(key),
            Err(error) => {
                return tell(Check::failed(
                    what,
                    &error,
                    "the storage, or a proxy before it, changes such keys on their way",
                ));
            }
        }
    }
    tell(if refused.is_empty() {
        Check::pass(what, "odd spellings reach the storage as they are")
    } else {
        let found = format!("it refuses keys like {}", refused.join(" and "));
        Check::warn(
            what,
            found,
            "it cannot have such objects, so none is missed",
        )
    });
}

/// Ranges, conditions, tags and ETags, of an object that is there.
async fn of_sample(what: &str, bucket: &Bucket, sample: &Listed, tell: Tell<'_>) {
    let key = &sample.key;
    let what_reads = format!("{what}: reads");
    let (state, body) = match bucket.look(key, PART_USUAL.get()).await {
        Ok(Sight::Present(state, Some(body))) => (state, body),
        Ok(Sight::Present(_, None)) => {
            return tell(Check::warn(
                what_reads,
                "the object that was to be tried is archived",
                "put another one, and ask again",
            ));
        }
        Ok(Sight::Missing(_)) => {
            return tell(Check::warn(
                what_reads,
                "the object that was to be tried is gone",
                "ask again",
            ));
        }
        Err(error) => {
            return tell(Check::failed(
                what_reads,
                &error,
                "the origin's keys must be allowed to read objects and their tags",
            ));
        }
    };
    tell(match body.collect().await {
        Err(cause) => Check::fail(what_reads, cause, "the body broke off: ask again"),
        Ok(bytes) if state.etag.may_name(&bytes) && state.etag.looks_like_md5() => {
            Check::pass(what_reads, "an object reads, and its ETag is its MD5")
        }
        Ok(_) => Check::warn(
            what_reads,
            "an object reads; its ETag is no MD5 of its bytes",
            "small objects may be read twice, to be sure of their bytes",
        ),
    });
    let what_range = format!("{what}: Range");
    tell(match bucket.open(key, &state.etag, 1..2).await {
        Ok(_) => Check::pass(what_range, "one byte comes where one is asked for"),
        Err(error) => Check::failed(
            what_range,
            &error,
            "objects over 8 MiB cannot be mirrored from a storage without ranges",
        ),
    });
    let what_match = format!("{what}: If-Match");
    tell(match bucket.open(key, &ETag::new(NO_ETAG), 0..1).await {
        Err(error) if error.cause.starts_with("status 412") => {
            Check::pass(what_match, "412 where the object is another one")
        }
        Err(error) if error.kind == Kind::PreconditionFailed => Check::warn(
            what_match,
            "the storage ignores it",
            "it costs reads that are dropped; every answer's ETag is checked all the same",
        ),
        Err(error) => Check::failed(
            what_match,
            &error,
            "the origin's keys must be allowed to read",
        ),
        Ok(_) => Check::fail(
            what_match,
            "a wrong ETag is taken for right",
            "nothing that this storage says can be believed",
        ),
    });
    let what_tags = format!("{what}: tags");
    tell(match bucket.tags(key).await {
        Ok(_) => Check::pass(what_tags, "they can be read"),
        Err(error) => Check::failed(
            what_tags,
            &error,
            "allow s3:GetObjectTagging: a tagged object cannot be mirrored without",
        ),
    });
}

/// Puts a probe under the prefix, tries the conditions that every write of the mirror rests on, and removes it again. The keys of an
/// `origin` need no right to write: that they have none is fine.
pub(super) async fn writes(
    what: &str,
    bucket: &Bucket,
    prefix: &str,
    origin: bool,
    tell: Tell<'_>,
) {
    let what = format!("{what}: writes");
    let key = format!("{prefix}{}/a b+%20é//x", Uuid::now_v7());
    let bytes = || vec![Bytes::from_static(b"hookctl doctor was here")];
    let right = Crc64::of(&bytes());
    let wrong = Crc64::of(&[Bytes::from_static(b"something else")]);
    let mut properties = Properties::default();
    properties
        .tags
        .insert("hookwork".to_owned(), "doctor +1".to_owned());
    let put = async |condition: &Condition, checksum| {
        bucket
            .put(&key, bytes(), &properties, condition, checksum)
            .await
    };
    let refused = put(&Condition::Absent, wrong).await;
    match &refused {
        // Keys that are refused for another reason, as expired ones are, say nothing of their rights.
        Err(error) if error.kind == Kind::Denied && origin && advice(error).is_none() => {
            return tell(Check::pass(what, "the origin's keys can only read"));
        }
        Err(error) if error.kind == Kind::Denied => {
            return tell(Check::failed(
                what,
                error,
                "s3:PutObject and s3:PutObjectTagging are needed",
            ));
        }
        Err(error) if error.kind == Kind::Unknown => {
            return tell(Check::failed(what, error, "nobody answers"));
        }
        _ => {}
    }
    let mut wrongs = Vec::new();
    let mut etag;
    if let Ok(written) = refused {
        wrongs.push("a body that does not match its CRC64NVME is taken");
        etag = written;
    } else {
        match put(&Condition::Absent, right).await {
            Ok(written) => etag = written,
            Err(error) => {
                return tell(Check::failed(
                    what,
                    &error,
                    "the backup must take a probe object with a tag and a CRC64NVME",
                ));
            }
        }
    }
    let unmet = |result: &Result<(), CallError>| matches!(result, Err(error) if matches!(error.kind, Kind::PreconditionFailed | Kind::Conflict));
    if !unmet(&put(&Condition::Absent, right).await.map(drop)) {
        wrongs.push("If-None-Match: * is ignored");
    }
    let other = ETag::new(NO_ETAG);
    if !unmet(
        &put(&Condition::Unchanged(other.clone()), right)
            .await
            .map(drop),
    ) {
        wrongs.push("If-Match is ignored on writes");
    }
    let ignored = bucket.delete(&key, &other).await;
    if !unmet(&ignored) {
        wrongs.push("If-Match is ignored on removals");
    }
    let seen = bucket.backup_state(&key).await;
    if let Ok(BackupState::Present(BackupObject { etag: now, .. })) = &seen {
        etag = Some(now.clone());
    }
    let removed = match (&seen, &etag) {
        (Ok(BackupState::Absent), _) | (_, None) => Ok(()),
        (_, Some(etag)) => bucket.delete(&key, etag).await,
    };
    match removed {
        Err(error) => tell(Check::failed(
            what,
            &error,
            &format!("s3:DeleteObject is needed; remove the probe by hand: {key}"),
        )),
        Ok(()) if wrongs.is_empty() => tell(Check::pass(
            what,
            "a probe was put and removed, and every condition was kept",
        )),
        Ok(()) if origin => tell(Check::warn(
            what,
            format!("a probe was put and removed; {}", wrongs.join("; ")),
            "an origin is only read, so that the mirror does not rest on it; keys that can only read are enough",
        )),
        Ok(()) => tell(Check::fail(
            what,
            wrongs.join("; "),
            "the mirror rests on it: use another storage, or another version of it",
        )),
    }
}

/// Puts a probe into the backup, looks for it at the origin, and removes it again: one bucket may have two names, which no setting
/// shows.
pub(super) async fn apart(
    what: &str,
    origin: &Bucket,
    backup: &Bucket,
    prefix: &str,
    tell: Tell<'_>,
) {
    let what = format!("{what}: backup");
    let key = format!("{prefix}{}", Uuid::now_v7());
    let bytes = vec![Bytes::from_static(b"hookctl doctor was here")];
    let checksum = Crc64::of(&bytes);
    let absent = Condition::Absent;
    let properties = Properties::default();
    let put = backup.put(&key, bytes, &properties, &absent, checksum);
    // The checks of the backup tell why not.
    let Ok(Some(etag)) = put.await else { return };
    let seen = origin.look(&key, 1).await;
    if let Err(error) = backup.delete(&key, &etag).await {
        let advice = format!("s3:DeleteObject is needed; remove the probe by hand: {key}");
        tell(Check::failed(&what, &error, &advice));
    }
    tell(match seen {
        Ok(Sight::Missing(_)) => Check::pass(what, "what is put into the backup is not there"),
        Ok(Sight::Present(..)) => Check::fail(
            what,
            "what is put into the backup is there, too: both are one bucket, or the backup is replicated into it",
            "each copy would be mirrored once more: name another BACKUP_BUCKET, or end the replication",
        ),
        Err(error) => Check::failed(what, &error, "the origin's keys must be allowed to read"),
    });
}
