//! How often anything is called for the certificate of a message of SNS, and where to.

use axum::Router;
use axum::routing::get;
use hookwork::clients::Aws;
use hookwork::clients::certificates::Certificates;
use hookwork::clients::error::Kind;
use hookwork::clients::https::counted;
use hookwork::domain::sns::{Claim, Envelope, Opened, Subscription};
use hookwork::domain::source::Proof;
use hookwork::twin::sns::Signer;
use http::StatusCode;
use serde_json::Value;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

/// The longest answer that is read, how many failures are remembered, and how long.
const ANSWER_MAX: usize = 64 << 10;
const FAILURES_MAX: usize = 16;
const FAILURE_LIFE: Duration = Duration::from_secs(10);

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:objects";

fn published() -> Value {
    serde_json::from_str(include_str!("../vectors/sns.json")).unwrap()
}

fn claim(message: &Value) -> Claim {
    let envelope = Envelope::read(message.to_string().as_bytes()).unwrap();
    envelope.claim().unwrap()
}

/// The certificates of an endpoint of our own with these routes, and its URL.
async fn at_own(router: impl FnOnce(&str) -> Router) -> (Certificates, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = router(&url);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let aws = Aws::local("http://127.0.0.1:1", &url).await;
    (aws.certificates(), url)
}

async fn with_signer() -> (Certificates, Signer) {
    let mut signer = None;
    let (certificates, _) = at_own(|url| {
        let made = signer.insert(Signer::new(TOPIC, url).unwrap());
        made.router()
    })
    .await;
    (certificates, signer.unwrap())
}

#[tokio::test]
async fn a_certificate_is_fetched_once_however_many_come_together() {
    let (certificates, signer) = with_signer().await;
    let whole = claim(&signer.notification(Some("s"), "m", SystemTime::now()));
    let vouched = futures_util::future::join_all((0..20).map(|_| certificates.vouch(&whole)));
    for vouched in vouched.await {
        assert!(vouched.unwrap());
    }
    assert_eq!(signer.fetched(), 1);
    let mut forged = whole;
    forged.signed.push(b'x');
    assert!(!certificates.vouch(&forged).await.unwrap());
    assert_eq!(signer.fetched(), 1);
}

#[tokio::test]
async fn a_place_that_is_none_of_sns_is_never_called() {
    let (certificates, signer) = with_signer().await;
    let mut whole = claim(&signer.notification(None, "m", SystemTime::now()));
    let mut hostile: Vec<_> = published()["hostile_certificate_urls"]
        .as_array()
        .unwrap()
        .clone();
    for host in published()["hostile_hosts"].as_array().unwrap() {
        let file = "SimpleNotificationService-0.pem";
        hostile.push(format!("https://{}/{file}", host.as_str().unwrap()).into());
    }
    hostile.push(
        whole
            .certificate_url
            .replace("http://", "http://user@")
            .into(),
    );
    hostile.push(whole.certificate_url.replace("http://", "https://").into());
    hostile.push(whole.certificate_url.replace(".pem", ".pem?x").into());
    for url in hostile {
        whole.certificate_url = url.as_str().unwrap().to_owned();
        let (vouched, calls) = counted(certificates.vouch(&whole)).await;
        assert_eq!((vouched.unwrap(), calls), (false, 0), "{url}");
    }
    assert_eq!(signer.fetched(), 0);
}

/// The subscription that a message asks to be confirmed, believed as it stands.
fn subscription(message: &Value) -> Subscription {
    let envelope = Envelope::read(message.to_string().as_bytes()).unwrap();
    let topics = [message["TopicArn"].as_str().unwrap().to_owned()];
    match envelope.open(&topics, 0, Proof::Operator) {
        Ok(Opened::Confirm(subscription)) => subscription,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_subscription_is_confirmed_by_its_topic_and_token_alone() {
    let (certificates, signer) = with_signer().await;
    let mut message = signer.confirmation("SubscriptionConfirmation", SystemTime::now());
    let url = message["SubscribeURL"].as_str().unwrap();
    // What else the URL says is not followed.
    message["SubscribeURL"] = url.replace("ConfirmSubscription", "DeleteTopic").into();
    let (confirmed, calls) = counted(certificates.confirm(&subscription(&message))).await;
    confirmed.unwrap();
    assert_eq!(calls, 1);
    assert_eq!(signer.confirmed(), [message["Token"].as_str().unwrap()]);
}

#[tokio::test]
async fn a_refused_confirmation_is_an_error_that_tells_no_token() {
    let (certificates, signer) = with_signer().await;
    let mut message = signer.confirmation("SubscriptionConfirmation", SystemTime::now());
    message["TopicArn"] = "arn:aws:sns:us-east-1:210987654321:objects".into();
    let refused = certificates.confirm(&subscription(&message)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
    let token = message["Token"].as_str().unwrap();
    assert!(!format!("{refused} {refused:?}").contains(token));
    assert_eq!(signer.confirmed(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_is_followed_nowhere() {
    let moved = async || {
        let to = "/SimpleNotificationService-0.pem?Action=ConfirmSubscription";
        (StatusCode::FOUND, [("location", to)])
    };
    let mut signer = None;
    let (certificates, url) = at_own(|url| {
        let made = signer.insert(Signer::new(TOPIC, url).unwrap());
        Router::new()
            .nest("/moved", Router::new().fallback(moved))
            .merge(made.router())
    })
    .await;
    let signer = signer.unwrap();
    let mut whole = claim(&signer.notification(None, "m", SystemTime::now()));
    whole.certificate_url = format!("{url}/moved/x.pem");
    let (vouched, calls) = counted(certificates.vouch(&whole)).await;
    assert_eq!((vouched.unwrap(), calls), (false, 1));
    assert_eq!(signer.fetched(), 0);
}

#[tokio::test]
async fn a_confirmation_that_is_sent_elsewhere_has_failed() {
    let moved = async || (StatusCode::FOUND, [("location", "/elsewhere")]);
    let (certificates, url) = at_own(|_| Router::new().fallback(moved)).await;
    let signer = Signer::new(TOPIC, &url).unwrap();
    let message = signer.confirmation("SubscriptionConfirmation", SystemTime::now());
    let (confirmed, calls) = counted(certificates.confirm(&subscription(&message))).await;
    assert_eq!((confirmed.unwrap_err().kind, calls), (Kind::Refused, 1));
}

#[tokio::test]
async fn what_is_no_certificate_vouches_for_nothing() {
    let pages = |_: &str| {
        let long = "x".repeat(ANSWER_MAX + 1);
        Router::new()
            .route("/html.pem", get(async || "<html>"))
            .route(
                "/empty.pem",
                get(async || "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
            )
            .route("/long.pem", get(async move || long))
            .route("/down.pem", get(async || StatusCode::SERVICE_UNAVAILABLE))
    };
    let (certificates, url) = at_own(pages).await;
    let mut whole = claim(&published()["messages"]["notification_version_2"]);
    for file in ["html", "empty", "missing"] {
        whole.certificate_url = format!("{url}/{file}.pem");
        assert!(!certificates.vouch(&whole).await.unwrap(), "{file}");
    }
    for (file, kind) in [("long", Kind::BadAnswer), ("down", Kind::Unknown)] {
        whole.certificate_url = format!("{url}/{file}.pem");
        let failed = certificates.vouch(&whole).await.unwrap_err();
        assert_eq!(failed.kind, kind, "{file}");
    }
}

#[tokio::test]
async fn forged_deliveries_make_us_call_out_now_and_then_only() {
    let (certificates, signer) = with_signer().await;
    let known = claim(&signer.notification(None, "m", SystemTime::now()));
    assert!(certificates.vouch(&known).await.unwrap());
    tokio::time::pause();
    let mut forged = known.clone();
    let vouch = async |forged: &mut Claim, number: usize| {
        let missing = format!("-{number}.pem");
        forged.certificate_url = known.certificate_url.replace("-0.pem", &missing);
        counted(certificates.vouch(forged)).await
    };
    for number in 1..=FAILURES_MAX {
        let (vouched, calls) = vouch(&mut forged, number).await;
        assert_eq!((vouched.unwrap(), calls), (false, 1));
        let (again, calls) = vouch(&mut forged, number).await;
        assert_eq!((again.unwrap(), calls), (false, 0));
    }
    // However many were forged, a certificate that is not known yet is fetched, and of the failures the oldest is forgotten.
    let (more, calls) = vouch(&mut forged, 100).await;
    assert_eq!((more.unwrap(), calls), (false, 1));
    let (oldest, calls) = vouch(&mut forged, 1).await;
    assert_eq!((oldest.unwrap(), calls), (false, 1));
    assert!(
        certificates.vouch(&known).await.unwrap(),
        "what is known stays known"
    );
    tokio::time::advance(FAILURE_LIFE).await;
    tokio::time::resume();
    let (later, calls) = vouch(&mut forged, 100).await;
    assert_eq!((later.unwrap(), calls), (false, 1));
}
