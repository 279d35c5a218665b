//! A template out of the first line, and any request: whatever an operator writes, nobody without the secret is believed.

#![no_main]

use hookwork_fuzz::domain::scheme::Scheme;
use hookwork_fuzz::{Request, secrets};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let Ok(template) = serde_json::from_slice::<Value>(&data[..end]) else {
        return;
    };
    let Ok(scheme) = Scheme::try_from(template) else {
        return;
    };
    let secrets = secrets().secrets;
    let (_, _) = (scheme.missing(&secrets), scheme.problems());
    if let Some(delivery) = Request::of(&data[end + 1..]).and_then(|request| request.delivery()) {
        let _ = scheme.named_by(&delivery);
        assert!(scheme.is_none() || !scheme.verifies(&delivery, &secrets, false));
        assert!(scheme.is_none() || !scheme.verifies(&delivery, &[], false));
    }
});
