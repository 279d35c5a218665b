//! The S3 operations, one short method each, over the store.
//!
//! It must never decide anything about objects itself: conditions, parts and pages have their own files.

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::RawExpires;
use super::checksum::Declared;
use super::condition::WriteIf;
use super::object::{Properties, checked_tags, crc_text};
use super::settings::REGION;
use super::store::{ChangeKind, Store};

pub(super) struct Service {
    pub(super) store: Store,
}

pub(super) type Answer<T> = S3Result<S3Response<T>>;

#[async_trait::async_trait]
impl S3 for Service {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        let bucket = |(name, created): (_, std::time::SystemTime)| Bucket {
            name: Some(name),
            creation_date: Some(created.into()),
            ..Bucket::default()
        };
        let buckets = self.store.buckets().into_iter().map(bucket).collect();
        ok(ListBucketsOutput {
            buckets: Some(buckets),
            ..Default::default()
        })
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        let locked = req.input.object_lock_enabled_for_bucket == Some(true);
        self.store.create_bucket(&req.input.bucket, locked)?;
        ok(CreateBucketOutput {
            location: Some(format!("/{}", req.input.bucket)),
        })
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        ok(HeadBucketOutput {
            bucket_region: Some(self.lies_in(&req.input.bucket)?),
            ..Default::default()
        })
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        self.store.delete_bucket(&req.input.bucket)?;
        Ok(S3Response::with_status(
            DeleteBucketOutput::default(),
            StatusCode::NO_CONTENT,
        ))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        let region = self.lies_in(&req.input.bucket)?;
        ok(GetBucketLocationOutput {
            location_constraint: (region != REGION).then(|| region.into()),
        })
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        self.versioning(req)
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> Answer<PutBucketVersioningOutput> {
        self.set_versioning(req)
    }

    async fn get_object_lock_configuration(
        &self,
        req: S3Request<GetObjectLockConfigurationInput>,
    ) -> Answer<GetObjectLockConfigurationOutput> {
        self.lock_configuration(req)
    }

    async fn put_object_lock_configuration(
        &self,
        req: S3Request<PutObjectLockConfigurationInput>,
    ) -> Answer<PutObjectLockConfigurationOutput> {
        self.set_lock_configuration(req)
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> Answer<ListObjectVersionsOutput> {
        self.list_versions(req)
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        req: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        self.lifecycle(req)
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        req: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        self.set_lifecycle(req)
    }

    async fn get_public_access_block(
        &self,
        req: S3Request<GetPublicAccessBlockInput>,
    ) -> Answer<GetPublicAccessBlockOutput> {
        self.public_access(req)
    }

    async fn put_public_access_block(
        &self,
        req: S3Request<PutPublicAccessBlockInput>,
    ) -> Answer<PutPublicAccessBlockOutput> {
        self.set_public_access(req)
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let (declared, properties) = (Declared::of_headers(&req.headers)?, properties(&req)?);
        let input = req.input;
        // The bucket's absence, and what its policy denies, is answered before the body is read.
        let conditional = input.if_match.is_some() || input.if_none_match.is_some();
        self.may_write(&input.bucket, &req.headers, true, Some(conditional))?;
        let content = declared.receive(input.body, input.content_length).await?;
        self.may_carry(&input.bucket, &req.headers, &req.extensions, "Put Object")?;
        let conditions = WriteIf {
            matches: input.if_match,
            none_match: input.if_none_match,
        };
        let object = content.into_object(properties);
        let object = self.store.write(
            &input.bucket,
            &input.key,
            object,
            &conditions,
            ChangeKind::Put,
        )?;
        ok(PutObjectOutput {
            e_tag: etag(&object.etag),
            checksum_crc64nvme: Some(crc_text(object.crc64nvme)),
            checksum_type: full_object(),
            ..Default::default()
        })
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        self.get(req)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        self.head(req)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        let input = req.input;
        match &input.version_id {
            Some(id) => {
                let bypass = input.bypass_governance_retention == Some(true);
                self.store
                    .remove_version(&input.bucket, &input.key, id, bypass)?;
            }
            None => self
                .store
                .remove(&input.bucket, &input.key, input.if_match.as_ref())?,
        }
        Ok(S3Response::with_status(
            DeleteObjectOutput::default(),
            StatusCode::NO_CONTENT,
        ))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> Answer<DeleteObjectsOutput> {
        let input = req.input;
        self.store.with_bucket(&input.bucket, |_| ())?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for wanted in input.delete.objects {
            let condition = wanted.e_tag.map(ETagCondition::ETag);
            let key = Some(wanted.key.clone());
            let removed = match &wanted.version_id {
                Some(id) => self
                    .store
                    .remove_version(&input.bucket, &wanted.key, id, false),
                None => self
                    .store
                    .remove(&input.bucket, &wanted.key, condition.as_ref()),
            };
            match removed {
                Ok(()) if input.delete.quiet == Some(true) => {}
                Ok(()) => deleted.push(DeletedObject {
                    key,
                    ..Default::default()
                }),
                Err(error) => {
                    let (code, message) = (
                        error.code().as_str().to_owned(),
                        error.message().map(str::to_owned),
                    );
                    errors.push(Error {
                        key,
                        code: Some(code),
                        message,
                        ..Default::default()
                    });
                }
            }
        }
        ok(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..Default::default()
        })
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        self.copy(req)
    }

    async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> Answer<GetObjectTaggingOutput> {
        let object = self.store.look(&req.input.bucket, &req.input.key)?;
        let tag = |(key, value): (&String, &String)| Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        ok(GetObjectTaggingOutput {
            tag_set: object.properties.tags.iter().map(tag).collect(),
            version_id: None,
        })
    }

    async fn put_object_tagging(
        &self,
        req: S3Request<PutObjectTaggingInput>,
    ) -> Answer<PutObjectTaggingOutput> {
        let pair = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        let tags = checked_tags(req.input.tagging.tag_set.into_iter().map(pair))?;
        self.store.tag(&req.input.bucket, &req.input.key, tags)?;
        ok(PutObjectTaggingOutput::default())
    }

    async fn delete_object_tagging(
        &self,
        req: S3Request<DeleteObjectTaggingInput>,
    ) -> Answer<DeleteObjectTaggingOutput> {
        self.store
            .tag(&req.input.bucket, &req.input.key, Default::default())?;
        Ok(S3Response::with_status(
            DeleteObjectTaggingOutput::default(),
            StatusCode::NO_CONTENT,
        ))
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        self.list(req)
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> Answer<ListObjectsV2Output> {
        self.list_v2(req)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        self.open(req)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let declared = Declared::of_headers(&req.headers)?;
        let input = req.input;
        self.store
            .with_upload(&input.bucket, &input.key, &input.upload_id, |_| ())?;
        let content = declared.receive(input.body, input.content_length).await?;
        self.may_carry(&input.bucket, &req.headers, &req.extensions, "Put Part")?;
        let part = self.store.keep_part(
            &input.bucket,
            &input.key,
            &input.upload_id,
            input.part_number,
            content,
        )?;
        ok(UploadPartOutput {
            e_tag: etag(&part.content.etag()),
            checksum_crc64nvme: Some(crc_text(part.content.crc.finalize())),
            ..Default::default()
        })
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        self.copy_part(req)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        self.parts(req)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let conditional = req.input.if_match.is_some() || req.input.if_none_match.is_some();
        self.may_write(&req.input.bucket, &req.headers, false, Some(conditional))?;
        let object = self.store.complete_upload(&req.input)?;
        ok(CompleteMultipartUploadOutput {
            e_tag: etag(&object.etag),
            checksum_crc64nvme: Some(crc_text(object.crc64nvme)),
            checksum_type: full_object(),
            bucket: Some(req.input.bucket),
            key: Some(req.input.key),
            ..Default::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        self.store
            .abort_upload(&req.input.bucket, &req.input.key, &req.input.upload_id)?;
        Ok(S3Response::with_status(
            AbortMultipartUploadOutput::default(),
            StatusCode::NO_CONTENT,
        ))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        self.uploads(req)
    }
}

pub(super) fn ok<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}

pub(super) fn etag(value: &str) -> Option<ETag> {
    Some(ETag::Strong(value.to_owned()))
}

pub(super) fn full_object() -> Option<ChecksumType> {
    Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT))
}

/// What a writing request's headers say, `Expires` as it was spelt.
pub(super) fn properties<T>(req: &S3Request<T>) -> S3Result<Properties> {
    let mut headers = req.headers.clone();
    if let Some(RawExpires(value)) = req.extensions.get::<RawExpires>() {
        headers.insert(http::header::EXPIRES, value.clone());
    }
    Properties::from_headers(&headers)
}
