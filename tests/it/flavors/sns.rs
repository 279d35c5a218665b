//! AWS S3 through SNS: the subscription is confirmed, what is published is mirrored, and nothing else is believed or called.

use super::{KEY, told};
use crate::world::{Answer, TOPIC, far_sides, function, send, variables};
use axum::Router;
use axum::body::Body;
use hookwork::clients::https::counted;
use hookwork::twin::s3::Store;
use hookwork::twin::sns::Signer;
use hookwork::twin::topic::Topic;
use http::Request;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

const ARN: &str = "arn:aws:sns:us-east-1:123456789012:objects";

/// A function whose sources `aws` and `any` listen to a topic, and the far sides.
struct Subscribed {
    store: Store,
    topic: Signer,
    notices: Topic,
    router: Router,
}

impl Subscribed {
    /// To these topics.
    async fn to(topics: &[&str]) -> Self {
        let (store, _, _, _, [s3_url, ..]) = far_sides().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let topic = Signer::new(ARN, &url).unwrap();
        let notices = Topic::new(TOPIC);
        let routes = topic.router().merge(notices.router());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let source = json!({
            "kind": "s3", "flavor": "aws", "endpoint": s3_url, "region": "us-east-1", "buckets": {"origin": {}}, "topics": topics,
        });
        let secrets = json!({"access_key_id": "local", "secret_access_key": "local"});
        let any = json!({"kind": "generic", "verify": "sns", "topics": topics});
        let (sources, secrets) = (
            json!({"aws": source, "any": any}),
            json!({"aws": secrets, "any": {}}),
        );
        let setting = variables(&sources, &secrets, "backup", None);
        let router = function(setting, &s3_url, &url).await;
        store.put("origin", KEY, "1");
        Self {
            store,
            topic,
            notices,
            router,
        }
    }

    async fn post(&self, message: &Value) -> Answer {
        self.post_to("/hooks/aws", message).await
    }

    async fn post_to(&self, path: &str, message: &Value) -> Answer {
        // As SNS posts it: the header may be anything.
        let request = Request::post(path)
            .header("content-type", "text/plain; charset=UTF-8")
            .header("x-amz-sns-message-type", "Notification");
        let request = request.body(Body::from(message.to_string())).unwrap();
        send(self.router.clone(), request).await
    }

    /// What S3 has the topic tell when an object was put.
    fn created(&self) -> Value {
        self.created_at(SystemTime::now())
    }

    fn created_at(&self, at: SystemTime) -> Value {
        let message = told("aws", "ObjectCreated:Put", KEY).to_string();
        let subject = Some("Amazon S3 Notification");
        self.topic.notification(subject, &message, at)
    }

    fn backup(&self) -> Option<Vec<u8>> {
        self.store.get("backup", KEY).map(|object| object.body())
    }
}

#[tokio::test]
async fn a_subscription_is_confirmed_and_what_is_published_is_mirrored() {
    let world = Subscribed::to(&[ARN]).await;
    let now = SystemTime::now();
    let confirmation = world.topic.confirmation("SubscriptionConfirmation", now);
    assert_eq!(world.post(&confirmation).await.status, 200);
    let token = confirmation["Token"].as_str().unwrap();
    assert_eq!(world.topic.confirmed(), [token]);
    // S3 asks whether the topic can be published to.
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "origin"});
    let test = world.topic.notification(None, &test.to_string(), now);
    assert_eq!(world.post(&test).await.outcomes(), ["ignored"]);
    let created = world.post(&world.created()).await;
    assert_eq!(created.outcomes(), ["copied"], "{created:?}");
    assert_eq!(world.backup(), Some(b"1".to_vec()));
    world.store.delete("origin", KEY);
    let removed = told("aws", "ObjectRemoved:Delete", KEY).to_string();
    let removed = world.topic.notification(None, &removed, now);
    assert_eq!(world.post(&removed).await.outcomes(), ["deleted"]);
    assert_eq!(world.backup(), None);
    assert_eq!(world.topic.fetched(), 1, "one certificate for all of them");
}

#[tokio::test]
async fn the_end_of_a_subscription_is_not_undone_and_an_alarm() {
    let logs = crate::world::Logs::new();
    let world = Subscribed::to(&[ARN]).await;
    let ended = world
        .topic
        .confirmation("UnsubscribeConfirmation", SystemTime::now());
    let answer = world.post(&ended).await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (200, vec!["ignored".to_owned()])
    );
    assert_eq!(world.topic.confirmed(), [""; 0]);
    // Neither one that nobody vouches for nor one of another topic is believed.
    let mut forged = ended.clone();
    forged["Token"] = json!("0");
    assert_eq!(world.post(&forged).await.status, 401);
    let other = Subscribed::to(&["arn:aws:sns:us-east-1:123456789012:other"]).await;
    assert_eq!(other.post(&ended).await.status, 403);
    let lines = logs.text();
    let told: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| {
            line["message"]
                .to_string()
                .contains("ended the subscription")
        })
        .collect();
    let [line] = &told[..] else { panic!("{lines}") };
    assert_eq!(
        (&line["level"], &line["source"], &line["topic"]),
        (&json!("ERROR"), &json!("aws"), &json!(ARN))
    );
}

#[tokio::test]
async fn a_message_changed_after_signing_is_refused() {
    let world = Subscribed::to(&[ARN]).await;
    let right = world.created();
    let changed = |field: &str, value: &str| {
        let mut forged = right.clone();
        forged[field] = json!(value);
        forged
    };
    let text = |field: &str| right[field].as_str().unwrap().to_owned();
    let mut unsubjected = right.clone();
    unsubjected.as_object_mut().unwrap().remove("Subject");
    let later = SystemTime::now() + Duration::from_secs(7);
    let later = world.created_at(later)["Timestamp"]
        .as_str()
        .unwrap()
        .to_owned();
    for forged in [
        changed("Message", &text("Message").replace("Put", "Pot")),
        changed("Message", &format!("{} ", text("Message"))),
        changed("Subject", "Amazon S3 Notificatiom"),
        unsubjected,
        changed("MessageId", "0"),
        changed("Timestamp", &later),
        changed("Signature", &text("Signature").replace('A', "B")),
        changed("Signature", ""),
        changed("SignatureVersion", "1"),
        changed("SignatureVersion", "3"),
    ] {
        let refused = world.post(&forged).await;
        assert_eq!(refused.status, 401, "{forged}");
    }
    // Told apart by the signed Type, whatever else the body has.
    let mut both = right.clone();
    both["Records"] = told("aws", "ObjectCreated:Put", KEY)["Records"].clone();
    both["Message"] = json!("{}");
    assert_eq!(world.post(&both).await.status, 401);
    assert_eq!(world.backup(), None);
    assert_eq!(world.post(&right).await.outcomes(), ["copied"]);
}

#[tokio::test]
async fn a_message_of_another_topic_is_forbidden_and_the_log_names_the_topic() {
    let logs = crate::world::Logs::new();
    for topics in [&[][..], &["arn:aws:sns:us-east-1:123456789012:other"]] {
        let world = Subscribed::to(topics).await;
        let now = SystemTime::now();
        let confirmation = world.topic.confirmation("SubscriptionConfirmation", now);
        for message in [world.created(), confirmation] {
            let (refused, calls) = counted(world.post(&message)).await;
            assert_eq!((refused.status, calls), (403, 0), "{refused:?}");
        }
        assert_eq!(world.backup(), None);
        assert_eq!(world.topic.confirmed(), [""; 0]);
    }
    let lines = logs.lines("delivery");
    let naming = lines.iter().filter(|line| line.to_string().contains(ARN));
    assert_eq!(naming.count(), 4, "{lines:?}");
}

#[tokio::test]
async fn a_topic_of_the_same_name_that_others_sign_for_is_refused() {
    let world = Subscribed::to(&[ARN]).await;
    let theirs = Signer::new(ARN, "https://sns.us-east-1.amazonaws.com.evil.com").unwrap();
    let message = told("aws", "ObjectCreated:Put", KEY).to_string();
    let mut forged = theirs.notification(None, &message, SystemTime::now());
    let (refused, calls) = counted(world.post(&forged)).await;
    assert_eq!((refused.status, calls), (401, 0));
    // With our topic's certificate their signature is none.
    forged["SigningCertURL"] = world.created()["SigningCertURL"].clone();
    assert_eq!(world.post(&forged).await.status, 401);
    assert_eq!(world.backup(), None);
}

#[tokio::test]
async fn an_old_message_is_refused_and_its_certificate_not_even_fetched() {
    let world = Subscribed::to(&[ARN]).await;
    let now = SystemTime::now();
    for at in [
        now - Duration::from_secs(2 * 3600),
        now - Duration::from_secs(3600 + 600),
        now + Duration::from_secs(600),
    ] {
        let old = [
            world.created_at(at),
            world.topic.confirmation("SubscriptionConfirmation", at),
        ];
        for message in old {
            let (refused, calls) = counted(world.post(&message)).await;
            assert_eq!((refused.status, calls), (401, 0));
        }
    }
    assert_eq!((world.topic.fetched(), world.backup()), (0, None));
    let retried = world.created_at(now - Duration::from_secs(3600));
    assert_eq!(world.post(&retried).await.outcomes(), ["copied"]);
}

#[tokio::test]
async fn a_hostile_certificate_url_is_refused_and_nothing_is_called() {
    let world = Subscribed::to(&[ARN]).await;
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/sns.json")).unwrap();
    let mut forged = world.created();
    let hosts = vectors["hostile_hosts"].as_array().unwrap().iter();
    let of_hosts = hosts.map(|host| {
        let host = host.as_str().unwrap();
        json!(format!("https://{host}/SimpleNotificationService-0.pem"))
    });
    let urls = vectors["hostile_certificate_urls"]
        .as_array()
        .unwrap()
        .iter();
    for url in urls.cloned().chain(of_hosts) {
        forged["SigningCertURL"] = url.clone();
        let (refused, calls) = counted(world.post(&forged)).await;
        assert_eq!((refused.status, calls), (401, 0), "{url}");
    }
    assert_eq!(world.topic.fetched(), 0);
}

#[tokio::test]
async fn a_subscription_is_confirmed_nowhere_else() {
    let world = Subscribed::to(&[ARN]).await;
    let right = world
        .topic
        .confirmation("SubscriptionConfirmation", SystemTime::now());
    let url = right["SubscribeURL"].as_str().unwrap();
    for elsewhere in [
        url.replace("127.0.0.1", "localhost"),
        url.replace("http://", "http://user@"),
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription".to_owned(),
        "https://sns.us-east-1.amazonaws.com@evil.com/?Action=ConfirmSubscription".to_owned(),
    ] {
        // Signed by the topic itself: even then it is called at its own place alone.
        let mut signed = right.clone();
        signed["SubscribeURL"] = json!(elsewhere);
        signed["Signature"] = json!(world.topic.sign(&signed));
        let (refused, calls) = counted(world.post(&signed)).await;
        assert_eq!(refused.status, 401, "{elsewhere}");
        // The certificate, once.
        assert!(calls <= 1, "{elsewhere}: {calls}");
    }
    assert_eq!(world.topic.confirmed(), [""; 0]);
    assert_eq!(world.topic.fetched(), 1);
}

#[tokio::test]
async fn what_was_published_by_somebody_else_is_no_event() {
    let world = Subscribed::to(&[ARN]).await;
    for message in ["hello", "{}", "[]", "{\"Records\":7}"] {
        let notification = world.topic.notification(None, message, SystemTime::now());
        assert_eq!(world.post(&notification).await.status, 400, "{message}");
    }
}

#[tokio::test]
async fn any_other_topic_is_handed_on_under_the_same_rules() {
    let world = Subscribed::to(&[ARN]).await;
    let now = SystemTime::now();
    let post = async |message: &Value| world.post_to("/hooks/any", message).await;
    let confirmation = world.topic.confirmation("SubscriptionConfirmation", now);
    assert_eq!(post(&confirmation).await.status, 200);
    assert_eq!(world.topic.confirmed().len(), 1);
    let ended = world.topic.confirmation("UnsubscribeConfirmation", now);
    assert_eq!(post(&ended).await.outcomes(), ["ignored"]);
    let right = world.topic.notification(Some("s"), "hello", now);
    let mut forged = right.clone();
    forged["Message"] = json!("goodbye");
    assert_eq!(post(&forged).await.status, 401);
    let old = now - Duration::from_secs(2 * 3600);
    let old = world.topic.notification(Some("s"), "hello", old);
    assert_eq!(post(&old).await.status, 401);
    assert_eq!(post(&json!({"Message": "raw"})).await.status, 401);
    assert_eq!(world.notices.notices(), []);
    assert_eq!(post(&right).await.outcomes(), ["published"]);
    let notices = world.notices.notices();
    assert!(notices[0].message.contains("hello"), "{notices:?}");
    let id = right["MessageId"].as_str().unwrap();
    assert_eq!(notices[0].attributes["id"], id);
    assert_eq!(notices[0].attributes["event"], "s");
    let other = Subscribed::to(&[]).await;
    assert_eq!(other.post_to("/hooks/any", &right).await.status, 403);
}
