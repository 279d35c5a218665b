//! Keys of nothing but blanks. S3 takes them; the SDK takes them for missing, so it is given a stand-in, which is gone again
//! before the request is signed.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Longer than a key can be, so that it stands in no real one.
static STAND_IN: LazyLock<String> =
    LazyLock::new(|| "x".repeat(crate::domain::object::KEY_MAX + 1));

/// A key as the SDK takes it.
pub(super) fn sayable(key: &str) -> Cow<'_, str> {
    if key.trim().is_empty() {
        Cow::Owned(format!("{}{key}", *STAND_IN))
    } else {
        Cow::Borrowed(key)
    }
}

/// Takes the stand-in out of the request.
#[derive(Debug)]
pub(super) struct Blank;

impl Intercept for Blank {
    fn name(&self) -> &'static str {
        "Blank"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if request.uri().contains(STAND_IN.as_str()) {
            let uri = request.uri().replace(STAND_IN.as_str(), "");
            request.set_uri(uri)?;
        }
        Ok(())
    }
}
