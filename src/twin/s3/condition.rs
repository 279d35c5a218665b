//! Preconditions, as AWS documents them: which header refuses what, and with which code.
//!
//! It must never look anything up: the caller holds the store's lock and passes what it found.

use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3Result, s3_error};

use super::object::Object;

/// `If-Match` and `If-None-Match` on a write.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteIf {
    pub(super) matches: Option<ETagCondition>,
    pub(super) none_match: Option<ETagCondition>,
}

impl WriteIf {
    /// May the write replace `existing`?
    ///
    /// # Errors
    /// 412 when a condition fails, 404 `NoSuchKey` when `If-Match` finds nothing, 501 for an
    /// `If-None-Match` other than `*`.
    pub(super) fn check(&self, existing: Option<&Object>) -> S3Result<()> {
        match (&self.none_match, existing) {
            (Some(ETagCondition::ETag(_)), _) => {
                return Err(s3_error!(
                    NotImplemented,
                    "If-None-Match takes only * on a write"
                ));
            }
            (Some(ETagCondition::Any), Some(_)) => return Err(s3_error!(PreconditionFailed)),
            _ => {}
        }
        match (&self.matches, existing) {
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(object)) if !names(condition, object) => {
                Err(s3_error!(PreconditionFailed))
            }
            _ => Ok(()),
        }
    }
}

/// May a conditional delete remove `existing`? An ETag that finds nothing is 404, `*` that finds nothing 412.
///
/// # Errors
/// `PreconditionFailed` or `NoSuchKey`.
pub(super) fn check_delete(
    condition: Option<&ETagCondition>,
    existing: Option<&Object>,
) -> S3Result<()> {
    match (condition, existing) {
        (Some(ETagCondition::Any), None) => Err(s3_error!(PreconditionFailed)),
        (Some(_), None) => Err(s3_error!(NoSuchKey)),
        (Some(condition), Some(object)) if !names(condition, object) => {
            Err(s3_error!(PreconditionFailed))
        }
        _ => Ok(()),
    }
}

/// The four conditions of a read, and of a copy's source.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadIf {
    pub(super) matches: Option<ETagCondition>,
    pub(super) none_match: Option<ETagCondition>,
    pub(super) modified_since: Option<Timestamp>,
    pub(super) unmodified_since: Option<Timestamp>,
}

impl ReadIf {
    /// May `object` be read? ETags win over dates (RFC 9110, 13.2.2).
    ///
    /// # Errors
    /// `PreconditionFailed`, or `otherwise` where a plain read would answer 304.
    pub(super) fn check(&self, object: &Object, otherwise: fn() -> S3Error) -> S3Result<()> {
        let modified = Timestamp::from(object.last_modified);
        match (&self.matches, &self.unmodified_since) {
            (Some(condition), _) if !names(condition, object) => {
                return Err(s3_error!(PreconditionFailed));
            }
            (None, Some(since)) if modified > *since => return Err(s3_error!(PreconditionFailed)),
            _ => {}
        }
        match (&self.none_match, &self.modified_since) {
            (Some(condition), _) if names(condition, object) => Err(otherwise()),
            (None, Some(since)) if modified <= *since => Err(otherwise()),
            _ => Ok(()),
        }
    }
}

fn names(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag,
    }
}
