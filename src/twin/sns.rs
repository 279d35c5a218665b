//! A topic that posts to HTTP subscribers, as far as they see it: messages with a signature, the certificate that goes with it, and
//! the URL that confirms a subscription.
//!
//! It signs with a key and a certificate of its own making, and by its own reading of what is signed, never with the function's
//! code. It signs in version 2; of version 1 there are messages that AWS published.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd};
use serde_json::{Value, json};
use uuid::Uuid;

/// The fields that SNS signs, where a message has them.
const SIGNED: [&str; 8] = [
    "Message",
    "MessageId",
    "Subject",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
];

/// A topic with its subscribers' side: clones share their state.
#[derive(Clone, Debug)]
pub struct Signer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    arn: String,
    base: String,
    key: RsaKeyPair,
    pem: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    fetched: usize,
    confirmed: Vec<String>,
}

impl Signer {
    /// The topic `arn`, whose certificate and confirmations are at `base`, such as `http://127.0.0.1:5000`.
    ///
    /// # Errors
    /// No key or certificate could be made.
    pub fn new(arn: &str, base: &str) -> Result<Self, rcgen::Error> {
        Self::with_certificate(arn, base, "sns.amazonaws.com", (2020, 2120))
    }

    /// The same with a certificate for this name, from the first day of one year to that of another.
    ///
    /// # Errors
    /// No key or certificate could be made.
    pub fn with_certificate(
        arn: &str,
        base: &str,
        name: &str,
        (from, until): (i32, i32),
    ) -> Result<Self, rcgen::Error> {
        let made = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let pem = params.self_signed(&made)?.pem();
        let key = RsaKeyPair::from_pkcs8(made.serialized_der())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(Self(Arc::new(Shared {
            arn: arn.to_owned(),
            base: base.to_owned(),
            key,
            pem,
            seen: Mutex::default(),
        })))
    }

    /// The certificate, as it is served.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// How often the certificate was fetched.
    #[must_use]
    pub fn fetched(&self) -> usize {
        self.lock().fetched
    }

    /// The tokens of the subscriptions that were confirmed, oldest first.
    #[must_use]
    pub fn confirmed(&self) -> Vec<String> {
        self.lock().confirmed.clone()
    }

    /// What is posted when something is published.
    #[must_use]
    pub fn notification(&self, subject: Option<&str>, message: &str, at: SystemTime) -> Value {
        let mut fields = json!({"Type": "Notification", "Message": message});
        if let Some(subject) = subject {
            fields["Subject"] = subject.into();
        }
        self.signed(fields, at)
    }

    /// What is posted when an endpoint is subscribed, or its subscription ends: `kind` is the message's Type.
    #[must_use]
    pub fn confirmation(&self, kind: &str, at: SystemTime) -> Value {
        let (arn, base) = (&self.0.arn, &self.0.base);
        let token = Uuid::now_v7().simple().to_string();
        let url = format!("{base}/?Action=ConfirmSubscription&TopicArn={arn}&Token={token}");
        let message = format!("You have chosen to subscribe to the topic {arn}.\nTo go on, visit.");
        let fields = json!({"Type": kind, "Message": message, "SubscribeURL": url, "Token": token});
        self.signed(fields, at)
    }

    /// The fields with those that every message has, and the signature.
    fn signed(&self, mut fields: Value, at: SystemTime) -> Value {
        let timestamp = DateTime::from(at).fmt(Format::DateTime);
        fields["MessageId"] = Uuid::now_v7().to_string().into();
        fields["TopicArn"] = self.0.arn.as_str().into();
        fields["Timestamp"] = timestamp.unwrap_or_default().into();
        fields["SignatureVersion"] = "2".into();
        fields["Signature"] = self.sign(&fields).into();
        let base = &self.0.base;
        fields["SigningCertURL"] = format!("{base}/SimpleNotificationService-0.pem").into();
        fields
    }

    /// The signature of a message's fields.
    #[must_use]
    pub fn sign(&self, fields: &Value) -> String {
        let mut text = String::new();
        for name in SIGNED {
            if let Some(value) = fields[name].as_str() {
                text += &format!("{name}\n{value}\n");
            }
        }
        let key = &self.0.key;
        let mut signature = vec![0; key.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature);
        // A message without a signature is refused, and the test that wanted one fails.
        signed.map_or_else(|_| String::new(), |()| STANDARD.encode(signature))
    }

    /// The certificate, and the URL that confirms.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(confirm))
            .route("/{file}", get(certificate))
            .with_state(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn certificate(
    State(signer): State<Signer>,
    Path(file): Path<String>,
) -> Result<String, StatusCode> {
    signer.lock().fetched += 1;
    if file == "SimpleNotificationService-0.pem" {
        Ok(signer.0.pem.clone())
    } else {
        Err(StatusCode::NOT_FOUND)
    }
}

async fn confirm(State(signer): State<Signer>, RawQuery(query): RawQuery) -> StatusCode {
    let query = query.unwrap_or_default();
    let query: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let asked = |name: &str| query.get(name).map(|value| &**value);
    match (asked("Action"), asked("TopicArn"), asked("Token")) {
        (Some("ConfirmSubscription"), Some(arn), Some(token)) if arn == signer.0.arn => {
            signer.lock().confirmed.push(token.to_owned());
            StatusCode::OK
        }
        _ => StatusCode::BAD_REQUEST,
    }
}
