//! What the mirror relies on an S3 server for, held against the twin and against SeaweedFS alike.
//!
//! A check must never be skipped for one of them: where SeaweedFS differs from what AWS documents, the check says so
//! and expects the difference, so that an update of SeaweedFS which removes it is noticed.

pub(crate) mod keys;
mod locks;
mod multiparts;
mod reads;
mod writes;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    retry::RetryConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::{
    copy_object, create_multipart_upload, delete_object, delete_object_tagging, get_object,
    get_object_tagging, head_object, put_object, put_object_tagging,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use hookwork::twin::faults::Faults;
use hookwork::twin::s3::{Store, serve};
use tokio::net::TcpListener;

use crate::servers::{Weed, unique};

/// An S3 server and an empty bucket on it.
pub(crate) struct Endpoint {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    pub(crate) server: Server,
}

/// Which server it is: only for the differences that a check states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Server {
    Twin,
    Weed,
}

impl Endpoint {
    /// A twin of its own.
    pub(crate) async fn twin() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Store::default(), Faults::new()));
        Self::at(
            &endpoint,
            Credentials::new("any", "key", None, None, "tests"),
            Server::Twin,
        )
        .await
    }

    /// A bucket of its own on the shared SeaweedFS.
    pub(crate) async fn weed() -> Self {
        let weed = tokio::task::spawn_blocking(Weed::shared).await.unwrap();
        let credentials = Credentials::new(Weed::ACCESS_KEY, Weed::SECRET_KEY, None, None, "tests");
        Self::at(&weed.endpoint, credentials, Server::Weed).await
    }

    async fn at(endpoint: &str, credentials: Credentials, server: Server) -> Self {
        let client = client(endpoint, credentials);
        let bucket = unique("bucket");
        client.create_bucket().bucket(&bucket).send().await.unwrap();
        Self {
            client,
            bucket,
            server,
        }
    }

    /// Puts a body; the answer's ETag.
    pub(crate) async fn put(&self, key: &str, body: &'static [u8]) -> String {
        let put = self.put_object(key).body(ByteStream::from_static(body));
        let answer = put.send().await.unwrap();
        answer.e_tag.unwrap()
    }

    /// The body under a key, if there is one.
    pub(crate) async fn body(&self, key: &str) -> Option<Vec<u8>> {
        match self.get_object(key).send().await {
            Ok(found) => Some(found.body.collect().await.unwrap().to_vec()),
            Err(error) => {
                assert_eq!(error.code(), Some("NoSuchKey"), "{error:?}");
                None
            }
        }
    }
}

/// A client set up as the mirror's are: no checksum of the SDK's own, no retries to hide a difference.
pub(crate) fn client(endpoint: &str, credentials: Credentials) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(hookwork::clients::https::Https::new())
        .interceptor(hookwork::clients::https::bounded::Bounds)
        .endpoint_url(endpoint)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(credentials)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    Client::from_conf(config)
}

/// The status and the code of a refusal; a refused HEAD has no code.
#[track_caller]
pub(crate) fn refused<T, E>(result: Result<T, SdkError<E, HttpResponse>>) -> (u16, String)
where
    T: std::fmt::Debug,
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let error = result.expect_err("a refusal");
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    (
        status.unwrap_or_else(|| panic!("no answer: {error:?}")),
        error.code().unwrap_or_default().to_owned(),
    )
}

/// The ETag a copy answers with: SeaweedFS leaves the quotes out in the XML of a CopyObjectResult.
pub(crate) fn etag_of_a_copy(server: Server, etag: &str) -> String {
    match server {
        Server::Twin => etag.to_owned(),
        Server::Weed => etag.trim_matches('"').to_owned(),
    }
}

/// A refusal spelt out, to compare with.
pub(crate) fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The calls about one key of the endpoint's bucket, under the client's names for them.
macro_rules! calls {
    ($($call:ident: $builder:path;)*) => {
        impl Endpoint {
            $(pub(crate) fn $call(&self, key: impl Into<String>) -> $builder {
                self.client.$call().bucket(&self.bucket).key(key)
            })*
        }
    };
}

calls! {
    get_object: get_object::builders::GetObjectFluentBuilder;
    head_object: head_object::builders::HeadObjectFluentBuilder;
    put_object: put_object::builders::PutObjectFluentBuilder;
    delete_object: delete_object::builders::DeleteObjectFluentBuilder;
    copy_object: copy_object::builders::CopyObjectFluentBuilder;
    create_multipart_upload: create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
    get_object_tagging: get_object_tagging::builders::GetObjectTaggingFluentBuilder;
    put_object_tagging: put_object_tagging::builders::PutObjectTaggingFluentBuilder;
    delete_object_tagging: delete_object_tagging::builders::DeleteObjectTaggingFluentBuilder;
}

macro_rules! conformance {
    ($($group:ident: $($check:ident)*;)*) => {
        mod twin {
            $($(#[tokio::test] async fn $check() { super::$group::$check(&super::Endpoint::twin().await).await; })*)*
        }
        mod weed {
            $($(#[tokio::test] async fn $check() { super::$group::$check(&super::Endpoint::weed().await).await; })*)*
        }
    };
}

conformance! {
    reads:
        gets_what_was_put
        answers_a_range_with_the_etag_of_the_whole
        refuses_a_range_of_an_object_that_changed
        answers_416_to_a_range_of_nothing
        answers_304_to_a_get_of_what_is_known
        says_no_such_key_for_a_missing_key
        says_no_such_bucket_for_a_missing_bucket
        heads_what_it_gets
        tells_the_checksum_it_was_given;
    writes:
        refuses_a_put_if_none_match_over_an_object
        refuses_a_put_if_match_over_another_object
        refuses_a_put_if_match_over_nothing
        refuses_a_delete_if_match_of_another_object
        refuses_a_delete_if_match_of_nothing
        keeps_an_expires_that_is_no_date
        takes_a_delete_of_nothing
        refuses_a_put_into_a_missing_bucket
        refuses_a_put_with_a_wrong_checksum
        refuses_a_put_with_a_wrong_md5
        keeps_headers_metadata_and_tags
        forgets_headers_metadata_and_tags_with_the_next_put
        changes_headers_metadata_and_tags_in_place
        refuses_a_copy_in_place_that_changes_nothing
        refuses_a_copy_of_a_source_that_changed
        copies_headers_metadata_and_tags
        changes_tags_without_touching_the_object;
    multiparts:
        puts_streamed_parts_together
        refuses_a_completion_with_a_wrong_checksum
        refuses_a_part_with_a_wrong_checksum
        refuses_a_completion_if_none_match_over_an_object
        refuses_a_completion_if_match_over_another_object
        refuses_a_completion_with_a_part_that_is_not_there
        refuses_a_small_part_that_is_not_the_last
        keeps_headers_metadata_and_tags_through_parts
        forgets_an_aborted_upload
        lists_parts_and_uploads
        copies_ranges_into_parts
        changes_a_multipart_object_in_place;
    locks:
        tells_its_default_retention
        keeps_the_version_that_a_removal_hides
        copies_in_place_into_a_new_version
        takes_a_part_with_its_checksum_in_a_header;
    keys:
        keeps_hostile_keys_apart
        bends_only_the_keys_known_to_be_bent
        takes_parts_under_hostile_keys
        copies_hostile_keys
        lists_hostile_keys_url_encoded
        deletes_many_hostile_keys
        lists_page_by_page_in_byte_order
        folds_keys_at_a_delimiter;
}
