//! The region of a bucket, as S3 itself says it to whoever asks in the wrong one. It is noted once; every request from then on goes
//! to the region in which the bucket lies.

use aws_sdk_s3::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    FinalizerInterceptorContextRef, InterceptorContext,
};
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryReason,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The region that a bucket was found in; nothing as long as requests find it where they are sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Found(Arc<Mutex<Option<String>>>);

impl Found {
    pub(super) fn get(&self) -> Option<String> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.clone()
    }

    fn note(&self, region: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(region);
    }
}

/// Sends requests where the bucket was found.
#[derive(Debug)]
pub(super) struct Regional {
    inner: DefaultResolver,
    found: Found,
}

impl Regional {
    pub(super) fn new(found: Found) -> Self {
        Self {
            inner: DefaultResolver::new(),
            found,
        }
    }
}

impl ResolveEndpoint for Regional {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        let moved = self
            .found
            .get()
            .filter(|region| params.region() != Some(region.as_str()));
        let Some(region) = moved else {
            return ResolveEndpoint::resolve_endpoint(&self.inner, params);
        };
        let there = with_region(params, region);
        let inner = &self.inner;
        EndpointFuture::new(async move {
            let there = there?;
            ResolveEndpoint::resolve_endpoint(inner, &there).await
        })
    }
}

/// The same parameters, of another region.
fn with_region(params: &Params, region: String) -> Result<Params, BoxError> {
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    let there = Params::builder()
        .set_bucket(owned(params.bucket()))
        .set_region(Some(region))
        .set_use_fips(params.use_fips())
        .set_use_dual_stack(params.use_dual_stack())
        .set_endpoint(owned(params.endpoint()))
        .set_force_path_style(params.force_path_style())
        .set_accelerate(params.accelerate())
        .set_use_global_endpoint(params.use_global_endpoint())
        .set_use_object_lambda_endpoint(params.use_object_lambda_endpoint())
        .set_key(owned(params.key()))
        .set_prefix(owned(params.prefix()))
        .set_copy_source(owned(params.copy_source()))
        .set_disable_access_points(params.disable_access_points())
        .set_disable_multi_region_access_points(params.disable_multi_region_access_points())
        .set_use_arn_region(params.use_arn_region())
        .set_use_s3_express_control_endpoint(params.use_s3_express_control_endpoint())
        .set_disable_s3_express_session_auth(params.disable_s3_express_session_auth());
    Ok(there.build()?)
}

/// The region that an answer names because its bucket lies there, and not where it was asked for.
fn named(response: &Response) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 307 | 400) {
        return None;
    }
    let body = response.body().bytes().unwrap_or_default();
    let body = std::str::from_utf8(body).unwrap_or_default();
    let region = match response.headers().get("x-amz-bucket-region") {
        Some(region) => region,
        None if body.contains("AuthorizationHeaderMalformed") => {
            let (region, _) = body.split_once("<Region>")?.1.split_once("</Region>")?;
            region
        }
        None => return None,
    };
    // It becomes part of a host's name.
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (!region.is_empty() && region.len() < 40 && region.bytes().all(plain))
        .then(|| region.to_owned())
}

/// Notes where a bucket lies.
#[derive(Debug)]
pub(super) struct Note(pub(super) Found);

impl Intercept for Note {
    fn name(&self) -> &'static str {
        "Note"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(region) = context.response().and_then(named)
            && self.0.get().as_ref() != Some(&region)
        {
            tracing::info!(
                region,
                "S3 names the region of a bucket: it is asked for there from now on"
            );
            self.0.note(region);
        }
        Ok(())
    }
}

/// Asks again, at once, where the bucket was found to lie. Nothing was done where it does not.
#[derive(Debug)]
pub(super) struct AskThere;

impl ClassifyRetry for AskThere {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().and_then(named) {
            Some(_) => RetryAction::RetryIndicated(RetryReason::RetryableError {
                kind: ErrorKind::TransientError,
                retry_after: Some(Duration::ZERO),
            }),
            None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "AskThere"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::body::SdkBody;

    fn answer(status: u16, header: Option<&'static str>, body: &'static str) -> Option<String> {
        let mut response = Response::new(status.try_into().unwrap(), SdkBody::from(body));
        if let Some(region) = header {
            response.headers_mut().insert("x-amz-bucket-region", region);
        }
        named(&response)
    }

    #[test]
    fn a_region_is_read_off_a_refusal_and_nothing_else() {
        let malformed =
            "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        let found = Some("eu-west-1".to_owned());
        assert_eq!(answer(301, Some("eu-west-1"), ""), found);
        assert_eq!(answer(400, Some("eu-west-1"), ""), found, "to a HEAD");
        assert_eq!(answer(400, None, malformed), found);
        assert_eq!(
            answer(200, Some("eu-west-1"), ""),
            None,
            "each answer to a HEAD has it"
        );
        assert_eq!(answer(403, Some("eu-west-1"), ""), None);
        assert_eq!(
            answer(400, None, "<Code>InvalidRequest</Code><Region>a</Region>"),
            None
        );
        for odd in ["", "evil.example.com", "a/b", "a@b", "EU"] {
            assert_eq!(answer(301, Some(odd), ""), None, "{odd}");
        }
    }

    #[test]
    fn the_endpoint_is_that_of_the_region_that_was_found() {
        let found = Found::default();
        let regional = Regional::new(found.clone());
        let params = Params::builder()
            .bucket("backup")
            .region("us-east-1")
            .build()
            .unwrap();
        let url = || {
            let endpoint =
                futures_util::FutureExt::now_or_never(regional.resolve_endpoint(&params));
            endpoint.unwrap().unwrap().url().to_owned()
        };
        assert_eq!(url(), "https://backup.s3.us-east-1.amazonaws.com");
        found.note("eu-west-1".to_owned());
        assert_eq!(url(), "https://backup.s3.eu-west-1.amazonaws.com");
    }
}
