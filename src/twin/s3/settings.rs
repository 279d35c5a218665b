//! What is asked about a bucket: versions, Object Lock, lifecycle, public access, and where it lies.
//!
//! It must never answer what was not set: a setting that is missing has an error code of its own.

use http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode};
use s3s::dto::*;
use s3s::{Body, HttpRequest, HttpResponse, S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::keeping::{Elsewhere, Retention};
use super::service::{Answer, Service, etag, ok};
use super::store::Store;

/// Where a bucket lies of which nothing was said.
pub(super) const REGION: &str = "us-east-1";

fn missing(code: &'static str) -> S3Error {
    let mut missing = S3Error::new(S3ErrorCode::Custom(code.into()));
    missing.set_status_code(StatusCode::NOT_FOUND);
    missing
}

impl Service {
    pub(super) fn versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        let kept = self
            .store
            .with_bucket(&req.input.bucket, |bucket| bucket.keeping.versioned)?;
        ok(GetBucketVersioningOutput {
            status: kept
                .then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
            ..Default::default()
        })
    }

    pub(super) fn set_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> Answer<PutBucketVersioningOutput> {
        let status = req.input.versioning_configuration.status;
        let on = status.is_some_and(|it| it.as_str() == BucketVersioningStatus::ENABLED);
        let locked = self.store.with_bucket(&req.input.bucket, |bucket| {
            let locked = bucket.keeping.lock.is_some();
            bucket.keeping.versioned = on || locked;
            locked
        })?;
        if locked && !on {
            return Err(s3_error!(
                InvalidBucketState,
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
            ));
        }
        ok(PutBucketVersioningOutput::default())
    }

    pub(super) fn lock_configuration(
        &self,
        req: S3Request<GetObjectLockConfigurationInput>,
    ) -> Answer<GetObjectLockConfigurationOutput> {
        let lock = self
            .store
            .with_bucket(&req.input.bucket, |bucket| bucket.keeping.lock.clone())?
            .ok_or_else(|| missing("ObjectLockConfigurationNotFoundError"))?;
        let rule = lock.map(|kept| ObjectLockRule {
            default_retention: Some(DefaultRetention {
                mode: Some(ObjectLockRetentionMode::from(kept.mode)),
                days: Some(kept.days),
                years: None,
            }),
        });
        ok(GetObjectLockConfigurationOutput {
            object_lock_configuration: Some(ObjectLockConfiguration {
                object_lock_enabled: Some(ObjectLockEnabled::from_static(
                    ObjectLockEnabled::ENABLED,
                )),
                rule,
            }),
        })
    }

    pub(super) fn set_lock_configuration(
        &self,
        req: S3Request<PutObjectLockConfigurationInput>,
    ) -> Answer<PutObjectLockConfigurationOutput> {
        let asked = req.input.object_lock_configuration.and_then(|it| it.rule);
        let retention = asked.and_then(|rule| rule.default_retention).map(|kept| {
            let days = kept.days.or(kept.years.map(|years| years * 365));
            Retention {
                mode: kept
                    .mode
                    .map(|mode| mode.as_str().to_owned())
                    .unwrap_or_default(),
                days: days.unwrap_or_default(),
            }
        });
        if retention.as_ref().is_some_and(|kept| {
            kept.days < 1 || !["GOVERNANCE", "COMPLIANCE"].contains(&kept.mode.as_str())
        }) {
            return Err(s3_error!(MalformedXML));
        }
        self.store.with_bucket(&req.input.bucket, |bucket| {
            if !bucket.keeping.versioned {
                return Err(s3_error!(
                    InvalidBucketState,
                    "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
                ));
            }
            bucket.keeping.lock = Some(retention);
            Ok(())
        })??;
        ok(PutObjectLockConfigurationOutput::default())
    }

    // All on one page: no test makes a thousand.
    pub(super) fn list_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> Answer<ListObjectVersionsOutput> {
        let input = req.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        self.store.with_bucket(&input.bucket, |bucket| {
            let all = bucket.keeping.versions();
            for (key, latest, version) in all.filter(|(key, ..)| key.starts_with(&prefix)) {
                let key = Some(super::listing::spell(input.encoding_type.as_ref(), key));
                let (version_id, at) = (Some(version.id.clone()), Some(version.at.into()));
                match &version.object {
                    Some(object) => versions.push(ObjectVersion {
                        key,
                        version_id,
                        is_latest: Some(latest),
                        e_tag: etag(&object.etag),
                        size: Some(object.len as i64),
                        last_modified: at,
                        ..Default::default()
                    }),
                    None => markers.push(DeleteMarkerEntry {
                        key,
                        version_id,
                        is_latest: Some(latest),
                        last_modified: at,
                        ..Default::default()
                    }),
                }
            }
        })?;
        ok(ListObjectVersionsOutput {
            versions: Some(versions),
            delete_markers: Some(markers),
            is_truncated: Some(false),
            name: Some(input.bucket.clone()),
            prefix: input.prefix.clone(),
            encoding_type: input.encoding_type.clone(),
            ..Default::default()
        })
    }

    pub(super) fn lifecycle(
        &self,
        req: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        let rules = self
            .store
            .with_bucket(&req.input.bucket, |bucket| bucket.keeping.lifecycle.clone())?;
        if rules.is_empty() {
            return Err(missing("NoSuchLifecycleConfiguration"));
        }
        ok(GetBucketLifecycleConfigurationOutput {
            rules: Some(rules),
            ..Default::default()
        })
    }

    pub(super) fn set_lifecycle(
        &self,
        req: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        let rules = req.input.lifecycle_configuration.map(|it| it.rules);
        self.store.with_bucket(&req.input.bucket, |bucket| {
            bucket.keeping.lifecycle = rules.unwrap_or_default();
        })?;
        ok(PutBucketLifecycleConfigurationOutput::default())
    }

    pub(super) fn public_access(
        &self,
        req: S3Request<GetPublicAccessBlockInput>,
    ) -> Answer<GetPublicAccessBlockOutput> {
        let set = self.store.with_bucket(&req.input.bucket, |bucket| {
            bucket.keeping.public_access.clone()
        })?;
        ok(GetPublicAccessBlockOutput {
            public_access_block_configuration: Some(
                set.ok_or_else(|| missing("NoSuchPublicAccessBlockConfiguration"))?,
            ),
        })
    }

    pub(super) fn set_public_access(
        &self,
        req: S3Request<PutPublicAccessBlockInput>,
    ) -> Answer<PutPublicAccessBlockOutput> {
        let set = req.input.public_access_block_configuration;
        self.store.with_bucket(&req.input.bucket, |bucket| {
            bucket.keeping.public_access = Some(set);
        })?;
        ok(PutPublicAccessBlockOutput::default())
    }

    /// Where a bucket lies, as both calls say it: the first region has no name in a location.
    pub(super) fn lies_in(&self, bucket: &str) -> S3Result<String> {
        self.store.with_bucket(bucket, |_| ())?;
        let region = self.store.region(bucket).map(|(region, _)| region);
        Ok(region.unwrap_or_else(|| REGION.to_owned()))
    }

    /// What is demanded of a request that makes an object.
    pub(super) fn may_write(
        &self,
        bucket: &str,
        headers: &HeaderMap,
        encrypts: bool,
        conditional: Option<bool>,
    ) -> S3Result<()> {
        self.store.with_bucket(bucket, |bucket| {
            bucket.keeping.check_policy(headers, encrypts, conditional)
        })?
    }

    /// What is demanded of a request that carries bytes.
    pub(super) fn may_carry(
        &self,
        bucket: &str,
        headers: &HeaderMap,
        extensions: &Extensions,
        what: &'static str,
    ) -> S3Result<()> {
        self.store.with_bucket(bucket, |bucket| {
            bucket.keeping.check_body(headers, extensions, what)
        })?
    }
}

/// The answer to a request that was signed for a region in which its bucket is not.
pub(super) fn elsewhere(store: &Store, request: &HttpRequest) -> Option<HttpResponse> {
    let path = request.uri().path().trim_start_matches('/');
    let (region, way) = store.region(path.split('/').next()?)?;
    let signed = request.headers().get(http::header::AUTHORIZATION)?;
    // Credential=<key>/<date>/<region>/s3/aws4_request
    let scope = signed.to_str().ok()?.split("Credential=").nth(1)?;
    if scope.split('/').nth(2)? == region {
        return None;
    }
    let (status, code) = match way {
        Elsewhere::Redirect => (StatusCode::MOVED_PERMANENTLY, "PermanentRedirect"),
        Elsewhere::Malformed => (StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed"),
    };
    let head = request.method() == http::Method::HEAD;
    let named = if way == Elsewhere::Malformed {
        format!("<Region>{region}</Region>")
    } else {
        String::new()
    };
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>The bucket is in this region: {region}</Message>{named}</Error>"
    );
    let mut answer = Response::new(if head { Body::empty() } else { Body::from(xml) });
    *answer.status_mut() = status;
    if (head || way == Elsewhere::Redirect)
        && let Ok(region) = HeaderValue::from_str(&region)
    {
        answer.headers_mut().insert("x-amz-bucket-region", region);
    }
    Some(answer)
}
