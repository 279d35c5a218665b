//! Every way in which an API, its stage and a domain's mapping spell a path: the route is found, and the URL that is signed is
//! the one that was called.

use super::dispatched;
use crate::world::{World, secrets, vk};
use hookwork::domain::handshake::VkChallenge;
use serde_json::{Value, json};

const DEFAULT: &str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";
const CUSTOM: &str = "hooks.example.com";
const FUNCTION_URL: &str = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws";

/// What stands before the route in each field of an event.
struct Api {
    what: &'static str,
    domain: &'static str,
    stage: &'static str,
    /// In the URL that was called.
    called: &'static str,
    /// In `path` or `rawPath`.
    path: &'static str,
    /// In the path of the context.
    context: &'static str,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    /// A REST API's events: `{proxy+}` below this.
    Rest(&'static str),
    /// An HTTP API's events of version 1.0, with this route.
    One(&'static str),
    /// An HTTP API's events of version 2.0, or a Function URL's, with this route.
    Two(&'static str),
}
use Shape::{One, Rest, Two};

const fn api(
    what: &'static str,
    domain: &'static str,
    stage: &'static str,
    [called, path, context]: [&'static str; 3],
    shape: Shape,
) -> Api {
    Api {
        what,
        domain,
        stage,
        called,
        path,
        context,
        shape,
    }
}

const APIS: [Api; 19] = [
    api("REST", DEFAULT, "prod", ["/prod", "", "/prod"], Rest("")),
    api(
        "REST, stage named as a route",
        DEFAULT,
        "hooks",
        ["/hooks", "", "/hooks"],
        Rest(""),
    ),
    api(
        "REST, (none) mapped",
        CUSTOM,
        "prod",
        ["", "", ""],
        Rest(""),
    ),
    api(
        "REST, base mapped",
        CUSTOM,
        "prod",
        ["/base", "/base", "/base"],
        Rest(""),
    ),
    api(
        "REST, several levels",
        CUSTOM,
        "prod",
        ["/a/b/c", "/a/b/c", "/a/b/c"],
        Rest(""),
    ),
    api(
        "REST, mapped as a route",
        CUSTOM,
        "prod",
        ["/hooks", "/hooks", "/hooks"],
        Rest(""),
    ),
    api(
        "REST, mapped as its stage",
        CUSTOM,
        "prod",
        ["/prod", "/prod", "/prod"],
        Rest(""),
    ),
    api(
        "REST, own resource",
        CUSTOM,
        "prod",
        ["/base", "/base", "/base"],
        Rest("/hooks"),
    ),
    api(
        "HTTP 1.0",
        DEFAULT,
        "$default",
        ["", "", ""],
        One("$default"),
    ),
    api(
        "HTTP 1.0, stage",
        DEFAULT,
        "prod",
        ["/prod", "/prod", "/prod"],
        One("$default"),
    ),
    api(
        "HTTP 1.0, stage and route",
        DEFAULT,
        "prod",
        ["/prod", "/prod", "/prod"],
        One("/{proxy+}"),
    ),
    api(
        "HTTP 1.0, mapped",
        CUSTOM,
        "prod",
        ["/base", "/base", "/base"],
        One("$default"),
    ),
    api(
        "HTTP 1.0, levels",
        CUSTOM,
        "$default",
        ["/a/b", "/a/b", "/a/b"],
        One("/hooks/{proxy+}"),
    ),
    api(
        "HTTP 2.0",
        DEFAULT,
        "$default",
        ["", "", ""],
        Two("$default"),
    ),
    api(
        "HTTP 2.0, stage",
        DEFAULT,
        "prod",
        ["/prod", "/prod", "/prod"],
        Two("$default"),
    ),
    api(
        "HTTP 2.0, stage and route",
        DEFAULT,
        "prod",
        ["/prod", "/prod", "/prod"],
        Two("ANY /hooks/{proxy+}"),
    ),
    api(
        "HTTP 2.0, (none) mapped to a stage",
        CUSTOM,
        "prod",
        ["", "/prod", "/prod"],
        Two("$default"),
    ),
    api(
        "HTTP 2.0, mapped, in the path",
        CUSTOM,
        "$default",
        ["/base", "/base", "/base"],
        Two("$default"),
    ),
    api(
        "Function URL",
        FUNCTION_URL,
        "$default",
        ["", "", ""],
        Two("$default"),
    ),
];

impl Api {
    fn event(&self, method: &str, route: &str, body: &str) -> Value {
        let at = |before: &str| format!("{before}{route}");
        let proxy = |below: &str| {
            let rest = route.strip_prefix(below).unwrap_or(route);
            json!({"proxy": rest.trim_matches('/')})
        };
        let template = |template: &'static str| {
            let below = template.strip_suffix("/{proxy+}");
            below.map_or(Value::Null, proxy)
        };
        let one = |resource: &str, parameters: Value| {
            json!({
                "resource": resource, "path": at(self.path), "httpMethod": method, "headers": {"Host": self.domain},
                "multiValueHeaders": {"Host": [self.domain]}, "queryStringParameters": null, "multiValueQueryStringParameters": null,
                "pathParameters": parameters, "stageVariables": null, "body": body, "isBase64Encoded": false,
                "requestContext": {
                    "resourceId": "r", "resourcePath": resource, "httpMethod": method, "path": at(self.context), "accountId": "1", "protocol": "HTTP/1.1",
                    "stage": self.stage, "requestTimeEpoch": 1_790_000_000_000u64, "requestId": "x", "identity": {"sourceIp": "192.0.2.4"},
                    "domainName": self.domain, "apiId": "a",
                },
            })
        };
        match self.shape {
            Rest(below) => one(&format!("{below}/{{proxy+}}"), proxy(below)),
            One(key) => {
                let mut event = one(key, template(key));
                event["version"] = "1.0".into();
                event
            }
            Two(key) => json!({
                "version": "2.0", "routeKey": key, "rawPath": at(self.path), "rawQueryString": "", "headers": {"host": self.domain},
                "pathParameters": template(key.trim_start_matches("ANY ")), "body": body, "isBase64Encoded": false,
                "requestContext": {
                    "accountId": "1", "apiId": "a", "domainName": self.domain, "requestId": "r", "routeKey": key, "stage": self.stage,
                    "timeEpoch": 1_790_000_000_000u64,
                    "http": {"method": method, "path": at(self.context), "protocol": "HTTP/1.1", "sourceIp": "192.0.2.4", "userAgent": "x"},
                },
            }),
        }
    }
}

#[tokio::test]
async fn the_route_is_found_and_the_signed_url_is_the_one_that_was_called() {
    let world = World::with_state(|s3_url, _| {
        let mut any = json!({"kind": "generic", "verify": "none"});
        any["path"] = "/webhook".into();
        let mut vk = vk(s3_url, json!({}));
        vk["path"] = "/vk".into();
        vk.as_object_mut().unwrap().remove("url");
        (json!({"vk": vk, "any": any}), secrets())
    })
    .await;
    let challenge = json!({"Type": "SubscriptionConfirmation", "Timestamp": "2019-12-26T19:29:12+03:00",
        "TopicArn": "mcs1|origin|s3:ObjectCreated:*", "SignatureVersion": 1, "Token": "RPE5UuG94rGgBH6kHXN9FUPugFxj1hs2aUQc99btJp3E49tA"});
    let shaken: VkChallenge = serde_json::from_value(challenge.clone()).unwrap();
    let challenge = challenge.to_string();
    for api in &APIS {
        let what = api.what;
        let ask = async |method: &str, route: &str, body: &str| {
            dispatched(world.app(), &api.event(method, route, body)).await
        };
        for route in ["/hooks/vk", "/hooks/vk/", "/hooks//vk"] {
            let answer = ask("POST", route, &challenge).await;
            assert_eq!(answer["statusCode"], 200, "{what} {route}: {answer}");
            let url = format!("https://{}{}{route}", api.domain, api.called);
            let signed = json!({"signature": shaken.sign(&url)}).to_string();
            assert_eq!(answer["body"], signed, "{what}: {url}");
        }
        assert_eq!(
            ask("POST", "/hooks/nobody", "{}").await["statusCode"],
            404,
            "{what}"
        );
        if api.shape_is_narrow() {
            continue;
        }
        assert_eq!(ask("GET", "/ping", "").await["body"], "Pong\n", "{what}");
        assert_eq!(
            ask("POST", "/webhook", "{}").await["statusCode"],
            200,
            "{what}"
        );
        assert_eq!(
            ask("GET", "/inbox/api/sources", "").await["statusCode"],
            500,
            "{what}: without a token"
        );
        assert_eq!(
            ask("POST", "/in/k3v9k3v9k3v9k3v9", "").await["statusCode"],
            404,
            "{what}"
        );
        assert_eq!(
            ask("GET", "/nowhere", "").await["statusCode"],
            404,
            "{what}"
        );
    }
}

#[tokio::test]
async fn the_domain_itself_tells_where_the_inbox_is_below_a_stage_or_a_mapping() {
    let world = World::mirroring(json!({})).await;
    for api in &APIS {
        if api.shape_is_narrow() || (api.domain == CUSTOM && matches!(api.shape, One(_) | Two(_))) {
            continue;
        }
        let answer = dispatched(world.app(), &api.event("GET", "/", "")).await;
        let told = format!("The inbox is at {}/inbox\n", api.called);
        assert_eq!(answer["statusCode"], 200, "{}: {answer}", api.what);
        assert!(
            answer["body"].as_str().unwrap().ends_with(&told),
            "{}: {answer}",
            api.what
        );
    }
}

impl Api {
    fn shape_is_narrow(&self) -> bool {
        matches!(
            self.shape,
            Rest("/hooks") | One("/hooks/{proxy+}") | Two("ANY /hooks/{proxy+}")
        )
    }
}

#[tokio::test]
async fn every_answer_through_a_gateway_says_that_there_is_only_tls() {
    let world = World::mirroring(json!({})).await;
    for api in &APIS {
        if api.shape_is_narrow() {
            continue;
        }
        for (method, route) in [
            ("GET", "/ping"),
            ("POST", "/hooks/vk"),
            ("GET", "/inbox"),
            ("GET", "/nowhere"),
        ] {
            let answer = dispatched(world.app(), &api.event(method, route, "")).await;
            let said = &answer["headers"]["strict-transport-security"];
            assert_eq!(said, "max-age=31536000", "{} {route}", api.what);
        }
    }
    let plain = http::Request::get("/ping").body(axum::body::Body::empty());
    let answer = world.send(plain.unwrap()).await;
    assert!(!answer.headers.contains_key("strict-transport-security"));
}
