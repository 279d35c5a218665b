//! A delivery as its sender would prove it, for who tries a source out by hand.

use super::{Form, Proof, Scheme, Way};
use crate::domain::signature::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

impl Scheme {
    /// The headers that prove this body. `id` names the delivery where the scheme signs an id, `now` is in seconds since 1970.
    ///
    /// # Errors
    /// A sentence: nobody but the sender can sign, or the secret is not in the scheme's form.
    pub fn sign(
        &self,
        body: &[u8],
        secret: &Secret,
        id: &str,
        now: u64,
    ) -> Result<Vec<(String, String)>, String> {
        let ways = match &self.proof {
            Proof::None => return Ok(Vec::new()),
            Proof::Sns => return Err("only AWS SNS can sign its deliveries".to_owned()),
            Proof::Any(ways) => ways,
        };
        // Of several ways the first that the secret is fit for.
        let signed = ways.iter().find_map(|way| match way {
            Way::Signature(template) => template.sign(body, secret, id, now),
            Way::Header(name, form) => {
                // In the last spelling nothing is around it any more.
                let readings = form.readings(std::slice::from_ref(secret));
                let secret = readings.last().unwrap_or(secret).expose();
                let value = match form {
                    Form::Plain => secret.to_owned(),
                    Form::Bearer | Form::BearerOrPlain => format!("Bearer {secret}"),
                    Form::Basic => format!("Basic {}", STANDARD.encode(secret)),
                };
                Some(vec![(name.to_string(), value)])
            }
        });
        signed.ok_or_else(|| {
            let wants = self.missing(std::slice::from_ref(secret));
            let wants =
                wants.unwrap_or_else(|| "a secret that begins as its sender's do".to_owned());
            format!(
                "the first of the secrets is not what {} signs with: it wants {wants}",
                self.name
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::known::TEMPLATES;
    use super::*;
    use crate::domain::delivery::Delivery;
    use http::{HeaderMap, HeaderName};

    #[test]
    fn what_is_signed_verifies_under_every_scheme() {
        let others = [
            "gitlab",
            "harbor",
            "bearer",
            "basic",
            "secret-header",
            "none",
        ];
        let names = TEMPLATES.iter().map(|(name, _)| *name).chain(others);
        for name in names {
            let scheme = Scheme::named(name).unwrap();
            for secret in ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "user:C2FVsBQI"] {
                let secret = Secret::new(secret);
                let Ok(signed) = scheme.sign(b"{}", &secret, "7", 1_700_000_000) else {
                    assert!(name == "svix" || name == "standard-webhooks", "{name}");
                    continue;
                };
                let headers = signed.iter().map(|(name, value)| {
                    let name: HeaderName = name.parse().unwrap();
                    (name, value.parse().unwrap())
                });
                let delivery = Delivery::post(headers.collect::<HeaderMap>(), "{}");
                assert!(scheme.verifies(&delivery, &[secret], false), "{name}");
            }
        }
        assert!(
            Scheme::named("sns")
                .unwrap()
                .sign(b"", &Secret::new("x"), "", 0)
                .is_err()
        );
    }
}
