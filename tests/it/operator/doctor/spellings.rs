//! What the doctor says of secrets in odd spellings.

use super::{Site, examined};
use serde_json::json;

#[tokio::test]
async fn names_the_secret_that_cannot_be_used_by_its_place() {
    let mut site = Site::new(json!({}), false).await;
    let sources = json!({"hooks": {"kind": "generic", "verify": "standard-webhooks"}});
    site.set("SOURCES", &sources.to_string());
    for (secrets, verdict, told) in [
        (
            json!(["v1,whsec_aHVudGVyMg=="]),
            "pass",
            "has what it wants",
        ),
        (json!([" 'whsec_aHVudGVyMg' "]), "pass", "has what it wants"),
        (
            json!(["whsec_aHVudGVyMg==", "whsec_hunter2!"]),
            "fail",
            "secrets[1] is no base64: sign 8 of the key",
        ),
        (
            json!(["whsec_hunter2!"]),
            "fail",
            "secrets in base64 (the signing secrets): secrets[0] is no base64",
        ),
        (
            json!(["v1a,whpk_aHVudGVyMg=="]),
            "fail",
            "secrets[0] is a key for Ed25519",
        ),
    ] {
        let known = json!({"hooks": {"secrets": secrets, "url_key": "u"}});
        site.set("SECRETS", &known.to_string());
        let (_, checks) = examined(&site, &[]).await;
        let found = checks
            .iter()
            .find(|(_, said)| said.starts_with("source hooks: secrets"));
        let (found, said) = found.unwrap();
        assert_eq!(found, verdict, "{said}");
        assert!(said.contains(told) && !said.contains("hunte"), "{said}");
    }
}
