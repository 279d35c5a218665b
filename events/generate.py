#!/usr/bin/env python3
"""Writes the files beside it: one invocation of the function each, and env.json for `sam local invoke`.

Not needed for using them: the files are committed, and a test insists that they are what this writes. It exists because
a delivery is signed over its exact bytes, and JSON inside JSON is no place to edit those by hand. Nothing here depends on
the clock, on chance or on the machine.

The published handshakes and signatures come from tests/vectors/vectors.json, those of SNS from sns.json there. The gateway's side of each file has the
fields that API Gateway and function URLs send (bases: `sam local generate-event apigateway`), the sender's side the
headers that each sender is known to send.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import uuid

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = json.loads((HERE.parent / "tests/vectors/vectors.json").read_text())
SNS_VECTORS = json.loads((HERE.parent / "tests/vectors/sns.json").read_text())

# What env.json expects on the machine that runs the container; README.md beside this file says how to get it there.
S3 = "http://host.docker.internal:9000"
SNS = "http://host.docker.internal:5000"
INTDASH = "http://host.docker.internal:9001"

API = "a1b2c3d4e5"
DOMAIN = f"{API}.execute-api.us-east-1.amazonaws.com"
FUNCTION_URL_DOMAIN = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws"
ACCOUNT = "123456789012"
VK_IP = "95.163.216.92"
OTHER_IP = "203.0.113.7"
# A UUIDv7, as the receiver makes them.
DELIVERY = "018cfc1e-8a4b-7000-8000-000000000001"
TRACE = "Root=1-65a0c8d2-0123456789abcdef01234567"


def compact(value):
    """JSON as senders write it: no spaces, no escapes that are not needed."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def request_id(name):
    """A request id that is the same whenever this runs."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"hookwork/events/{name}"))


# ---- The three shapes in which a request reaches a function


def http_api(name, path, body=None, headers=None, method="POST", ip=OTHER_IP, encode=False, query="", cookies=()):
    """HTTP API, payload 2.0: header names in lower case, the $default stage absent from the path, cookies beside the headers."""
    headers = dict(headers or {})
    agent = headers.get("user-agent", "")
    headers |= {"host": DOMAIN, "x-amzn-trace-id": TRACE, "x-forwarded-for": ip, "x-forwarded-port": "443", "x-forwarded-proto": "https"}
    if body is not None:
        headers["content-length"] = str(len(body.encode()))
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        **({"cookies": list(cookies)} if cookies else {}),
        "headers": dict(sorted(headers.items())),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": DOMAIN,
            "domainPrefix": API,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": ip, "userAgent": agent},
            "requestId": request_id(name),
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Jan/2024:05:06:10 +0000",
            "timeEpoch": 1705035970123,
        },
    }
    if body is not None:
        event["body"] = base64.b64encode(body.encode()).decode() if encode else body
    event["isBase64Encoded"] = encode
    return event


def function_url(name, path, body, headers, ip=OTHER_IP):
    """A function URL: payload 2.0 again, with another domain and an anonymous account."""
    event = http_api(name, path, body, headers, ip=ip)
    event["headers"]["host"] = FUNCTION_URL_DOMAIN
    prefix = FUNCTION_URL_DOMAIN.partition(".")[0]
    event["requestContext"] |= {"accountId": "anonymous", "apiId": prefix, "domainName": FUNCTION_URL_DOMAIN, "domainPrefix": prefix}
    return event


def rest_api(name, path, body, headers, ip=OTHER_IP):
    """REST API, payload 1.0: header names as the sender wrote them, the stage only in the request context."""
    headers = headers | {
        "Host": DOMAIN,
        "X-Amzn-Trace-Id": TRACE,
        "X-Forwarded-For": ip,
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    headers = dict(sorted(headers.items()))
    nobody = ["accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType"]
    nobody += ["cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn"]
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {key: [value] for key, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": DOMAIN,
            "domainPrefix": API,
            "extendedRequestId": "RXl4YW1wbGVFeGFtcGxlPQ=",
            "httpMethod": "POST",
            "identity": {key: None for key in nobody} | {"sourceIp": ip, "userAgent": headers.get("User-Agent")},
            "path": f"/prod{path}",
            "protocol": "HTTP/1.1",
            "requestId": request_id(name),
            "requestTime": "12/Jan/2024:05:06:10 +0000",
            "requestTimeEpoch": 1705035970123,
            "resourceId": "1a2b3c",
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
        "body": body,
        "isBase64Encoded": False,
    }


# ---- What is no request


def queue(name, *work):
    """A batch of the queue: for each message a job, in the form of src/domain/job.rs."""
    records = []
    for number, job in enumerate(work):
        body = compact({"version": 1, "delivery": DELIVERY, "work": job})
        records.append(
            {
                "messageId": request_id(f"{name}/{number}"),
                "receiptHandle": f"AQEB{number}wJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1705035970123",
                    "SenderId": "AROAEXAMPLE:receiver",
                    "ApproximateFirstReceiveTimestamp": "1705035970124",
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(body.encode()).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:{ACCOUNT}:hookwork-jobs",
                "awsRegion": "us-east-1",
            }
        )
    return {"Records": records}


# ---- What the senders say

ARTICLE, DOCS = (vector for vector in VECTORS["vk_handshake"] if vector["status"] == "official")
INTDASH_VECTOR = next(vector for vector in VECTORS["intdash_signature"] if vector["status"] == "official")
INTDASH_WRONG = next(vector for vector in VECTORS["intdash_signature"] if vector["name"] == "lesson6+newline")
SECRET = INTDASH_VECTOR["secret"]
SAMPLES = VECTORS["s3_event_samples"]
SNS_SUBSCRIPTION = SNS_VECTORS["messages"]["subscription_confirmation"]
SNS_NOTIFICATION = SNS_VECTORS["messages"]["notification_with_subject"]
B2_SECRET = next(vector for vector in VECTORS["generic_signatures"] if vector["scheme"] == "backblaze_b2")["secret"]
MINIO_TOKEN = "a-token-of-minios"
INBOX_TOKEN = "local-inbox-token"
EXPIRED = f"hookwork_inbox=1.1705035969.{'A' * 43}"

JSON = {"content-type": "application/json"}
CHALLENGE = {"x-amz-sns-message-type": "SubscriptionConfirmation"}
# VK's published event deliveries have no content type.
NOTIFICATION = {"x-amz-sns-message-type": "Notification"}


def vk_challenge(vector):
    """The published body of a challenge, around the values of a published handshake."""
    body = json.loads(VECTORS["vk_handshake_body_sample"])
    return body | {"Timestamp": vector["timestamp"], "TopicArn": vector["topic_arn"], "Token": vector["token"]}


def spaced(value):
    """The same JSON as another serialiser might write it: spaces round every colon and comma, and line ends."""
    return json.dumps(value, separators=(" , ", " : "), ensure_ascii=False, indent=2) + "\n"


def vk_record(name, key, sequencer, removed=False):
    """VK's published record, of the local origin bucket."""
    record = json.loads(json.dumps(SAMPLES["vk"]["Records"][0]))
    record["eventName"] = name
    record["s3"]["bucket"] = {"name": "origin", "ownerIdentity": {"principalId": "mcs0000000000"}}
    record["s3"]["object"] |= {"key": key, "sequencer": sequencer}
    if removed:
        del record["s3"]["object"]["eTag"], record["s3"]["object"]["size"]
    return record


def minio():
    """The constructed sample, with what MinIO itself would fill into its gaps."""
    event = json.loads(json.dumps(SAMPLES["minio_constructed_from_source"]))
    event["Records"][0]["responseElements"] |= {
        "x-amz-id-2": "dd9025bab4ad464b049177c95eb6ebf374d3b3fd1af9251148b658df7ac2e3e8",
        "x-amz-request-id": "17E2B5C7D0A1F3B4",
        "x-minio-deployment-id": "6faeded5-5cf3-4133-8a37-07c5d500207c",
    }
    return event


def through_sns(message, **changed):
    """A published message of SNS as it is posted: body and headers. With anything changed its signature no longer fits."""
    message = message | changed
    headers = SNS_HEADERS | {
        "x-amz-sns-message-type": message["Type"],
        "x-amz-sns-message-id": message["MessageId"],
        "x-amz-sns-topic-arn": message["TopicArn"],
    }
    del headers["x-amz-sns-rawdelivery"]
    # SNS has a space on both sides of each colon.
    body = json.dumps(message, separators=(",", " : "), ensure_ascii=False, indent=2)
    return body, headers


def b2(kind, name=None):
    """The event of Backblaze's documentation and SDK, of this type and object: body and headers."""
    event = {
        "accountId": "e85c6a500333",
        "bucketId": "aea8c5bc362ae55070130333",
        "bucketName": "mySampleBucket",
        "eventTimestamp": 1684793309123,
        "eventType": kind,
        "eventVersion": 1,
        "matchedRuleName": "mySampleRule1",
    }
    if name is not None:
        version = "4_zaea8c5bc362ae55070130333_f117c7bd5d6c6597c_d20230521_m235957_c001_v0001044_t0052_u01684713597235"
        event |= {"objectName": name, "objectSize": 10495842, "objectVersionId": version}
    body = compact({"events": [event]})
    signature = hmac.new(B2_SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    return body, JSON | {"x-bz-event-notification-signature": f"v1={signature}"}


def signed(body, secret=SECRET):
    """intdash's signature: base64 of the HMAC over the body as it is sent."""
    return base64.b64encode(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()).decode()


def intdash_headers(signature):
    return JSON | {"x-intdash-signature-256": signature}


# As in the article that announced the hooks: no project, no delivery id, an action that later became "completed".
FINISHED = compact({"resource_type": "measurement", "action": "finished", "measurement_uuid": "1a14f158-2a0c-44c7-ace1-e0d21ecc93e9"})
# A test delivery names a measurement that does not exist.
TEST_DELIVERY = compact(
    {
        "delivery_uuid": "0f6f3bd0-3c33-4b0e-9a60-6d1f4f0d3d55",
        "hook_uuid": "5b7ea816-0d3b-4df5-9104-01046ebecf51",
        "resource_type": "measurement",
        "action": "completed",
        "occurred_at": "2024-12-25T00:20:11.000123Z",
        "is_test": True,
        "measurement_uuid": "9d1c2f5e-77a7-4b43-8b0a-3f5f2f3f6a10",
        "project_uuid": "00000000-0000-0000-0000-000000000000",
    }
)

CREATED = compact({"Records": [vk_record("s3:ObjectCreated:Put", "hello.txt", 1705035969)]})
REMOVED = compact({"Records": [vk_record("s3:ObjectRemoved:Delete", "hello.txt", 1705035969, removed=True)]})
# Each record stands alone: the last, of a name that is not known, follows a removal and is no removal.
MULTI = compact(
    {
        "Records": [
            vk_record("s3:ObjectCreated:Put", "hello.txt", 1705035969),
            vk_record("s3:ObjectCreated:CompleteMultipartUpload", "photos/Ünï 100%+1.jpg", 1705035969),
            vk_record("s3:ObjectRemoved:Delete", "old.txt", 1705035970, removed=True),
            vk_record("s3:ObjectAcl:Put", "kept.txt", 1705035970),
        ]
    }
)

VK_OPTIONS = {"ip": VK_IP}
SNS_HEADERS = {
    "content-type": "text/plain; charset=UTF-8",
    "user-agent": "Amazon Simple Notification Service Agent",
    "x-amz-sns-message-type": "Notification",
    "x-amz-sns-rawdelivery": "true",
    "x-amz-sns-topic-arn": f"arn:aws:sns:us-west-2:{ACCOUNT}:object-events",
}
SERVER = JSON | {"user-agent": "Go-http-client/1.1"}
REST_CHALLENGE = {"Content-Type": "application/json", "X-Amz-Sns-Message-Type": "SubscriptionConfirmation"}
REST_INTDASH = {"Content-Type": "application/json", "X-Intdash-Signature-256": INTDASH_VECTOR["signature"]}
INTDASH_SIGNED = intdash_headers(INTDASH_VECTOR["signature"])
ARTICLE_BODY = compact(vk_challenge(ARTICLE))
MINIO_TOKENED = SERVER | {"authorization": f"Bearer {MINIO_TOKEN}"}
# S3's own message, as it would be in a notification; nobody has published one together with its signature.
S3_THROUGH_SNS = {"Subject": "Amazon S3 Notification", "Message": compact(SAMPLES["aws"])}

GENERIC = {it["scheme"]: it for it in reversed(VECTORS["generic_signatures"])}
GITHUB_VECTOR, STANDARD_VECTOR, X_VECTOR = (GENERIC[scheme] for scheme in ("github", "standard-webhooks", "x_crc"))
META_SUBSCRIBES = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=It%27s+a+Secret+to+Everybody"
STANDARD_HEADERS = {
    "content-type": "application/json",
    "webhook-id": STANDARD_VECTOR["id"],
    "webhook-timestamp": STANDARD_VECTOR["timestamp"],
    "webhook-signature": STANDARD_VECTOR["value"],
}


def github(signature):
    """The headers of a push; the delivery's id is the one of GitHub's documentation."""
    return {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/044aadd",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-github-event": "push",
        "x-hub-signature-256": signature,
    }


EVENTS = {
    "ping": (http_api, "/ping", None, {"user-agent": "curl/8.5.0"}, {"method": "GET"}),
    "vk-handshake-article": (http_api, "/hooks/vk", ARTICLE_BODY, JSON | CHALLENGE, VK_OPTIONS),
    "vk-handshake-docs": (http_api, "/hooks/vk-docs", compact(vk_challenge(DOCS)), JSON | CHALLENGE, VK_OPTIONS),
    "vk-handshake-rest-v1": (rest_api, "/hooks/vk", ARTICLE_BODY, REST_CHALLENGE, VK_OPTIONS),
    "vk-handshake-base64": (http_api, "/hooks/vk", ARTICLE_BODY, JSON | CHALLENGE, VK_OPTIONS | {"encode": True}),
    "vk-handshake-spaces": (http_api, "/hooks/vk", spaced(vk_challenge(ARTICLE)), JSON | CHALLENGE, VK_OPTIONS),
    "vk-handshake-no-content-type": (http_api, "/hooks/vk", ARTICLE_BODY, CHALLENGE, VK_OPTIONS),
    "vk-handshake-function-url": (function_url, "/hooks/vk", ARTICLE_BODY, JSON | CHALLENGE, VK_OPTIONS),
    "vk-created": (http_api, "/hooks/vk", CREATED, NOTIFICATION, VK_OPTIONS),
    "vk-removed": (http_api, "/hooks/vk", REMOVED, NOTIFICATION, VK_OPTIONS),
    "vk-multi-record": (http_api, "/hooks/vk", MULTI, NOTIFICATION, VK_OPTIONS),
    "vk-webhook-path": (http_api, "/webhook", CREATED, NOTIFICATION, VK_OPTIONS),
    "vk-docs-created": (http_api, "/hooks/vk-docs", compact(SAMPLES["vk"]), NOTIFICATION, VK_OPTIONS),
    "aws-created": (http_api, "/hooks/aws", compact(SAMPLES["aws"]), SNS_HEADERS, {}),
    "aws-test-event": (http_api, "/hooks/aws", compact(SAMPLES["aws_test_event"]), SNS_HEADERS, {}),
    "aws-sns-confirmation": (http_api, "/hooks/aws-sns", *through_sns(SNS_SUBSCRIPTION), {}),
    "aws-sns-created": (http_api, "/hooks/aws-sns", *through_sns(SNS_NOTIFICATION, **S3_THROUGH_SNS), {}),
    "aws-sns-other-topic": (http_api, "/hooks/aws-sns", *through_sns(SNS_NOTIFICATION, TopicArn=f"arn:aws:sns:us-west-2:{ACCOUNT}:MyTopic"), {}),
    "minio-created": (http_api, "/hooks/minio", compact(minio()), SERVER, {}),
    "minio-created-token": (http_api, "/hooks/minio-token", compact(minio()), MINIO_TOKENED, {}),
    "minio-created-no-token": (http_api, "/hooks/minio-token", compact(minio()), SERVER, {}),
    "b2-created": (http_api, "/hooks/b2", *b2("b2:ObjectCreated:Upload", "objectName.txt"), {}),
    "b2-hidden": (http_api, "/hooks/b2", *b2("b2:HideMarkerCreated:Hide", "hidden.txt"), {}),
    "b2-test-event": (http_api, "/hooks/b2", *b2("b2:TestEvent"), {}),
    "ceph-created": (http_api, "/hooks/ceph", compact(SAMPLES["ceph"]), JSON, {}),
    "github-push": (http_api, "/hooks/github", GITHUB_VECTOR["body"], github(GITHUB_VECTOR["value"]), {}),
    # The published signature, over another body.
    "github-bad-signature": (http_api, "/hooks/github", GITHUB_VECTOR["body"].upper(), github(GITHUB_VECTOR["value"]), {}),
    "meta-subscribe": (http_api, "/hooks/meta", None, {}, {"method": "GET", "query": META_SUBSCRIBES}),
    "x-crc": (http_api, "/hooks/x", None, {}, {"method": "GET", "query": f"crc_token={X_VECTOR['crc_token']}"}),
    "graph-validation": (http_api, "/hooks/graph", None, {"content-type": "text/plain; charset=utf-8"}, {"query": "validationToken=Validation%3a+Testing+client+application+reachability"}),
    "cloudevents-options": (http_api, "/hooks/github", None, {"webhook-request-origin": "eventemitter.example.com", "webhook-request-rate": "120"}, {"method": "OPTIONS"}),
    "standard-webhooks-stale": (http_api, "/hooks/standard", STANDARD_VECTOR["body"], STANDARD_HEADERS, {}),
    "intdash-completed": (http_api, "/hooks/intdash", INTDASH_VECTOR["body"], INTDASH_SIGNED, {}),
    "intdash-completed-rest-v1": (rest_api, "/hooks/intdash", INTDASH_VECTOR["body"], REST_INTDASH, {}),
    "intdash-completed-base64": (http_api, "/hooks/intdash", INTDASH_VECTOR["body"], INTDASH_SIGNED, {"encode": True}),
    "intdash-finished": (http_api, "/hooks/intdash", FINISHED, intdash_headers(signed(FINISHED)), {}),
    "intdash-test-delivery": (http_api, "/hooks/intdash", TEST_DELIVERY, intdash_headers(signed(TEST_DELIVERY)), {}),
    # A signature of the right length and alphabet, over other bytes.
    "intdash-bad-signature": (http_api, "/hooks/intdash", INTDASH_VECTOR["body"], intdash_headers(INTDASH_WRONG["signature"]), {}),
    # A session that has expired, beside another cookie: the page, to log in with.
    "inbox-page": (http_api, "/inbox", None, {"accept": "text/html", "user-agent": "Mozilla/5.0"}, {"method": "GET", "cookies": ["theme=dark", EXPIRED]}),
    "inbox-deliveries": (http_api, "/inbox/api/deliveries", None, {"authorization": f"Bearer {INBOX_TOKEN}"}, {"method": "GET", "query": "limit=10"}),
    "endpoint-unknown": (http_api, "/in/k3v9k3v9k3v9k3v9", compact({"hello": "world"}), JSON | {"authorization": "Bearer a-token"}, {}),
}

LOCAL_ORIGIN = {"source": "vk", "origin": "mcs0000000000/origin"}
# What the queue, the clock and an operator say.
TOLD = {
    "queue-mirror": queue("queue-mirror", *({"mirror": LOCAL_ORIGIN | {"key": key}} for key in ("hello.txt", "photos/Ünï 100%+1.jpg"))),
    "audit": {"hookwork": "audit"},
    "release": {"hookwork": "release", "source": LOCAL_ORIGIN["source"], "bucket": LOCAL_ORIGIN["origin"]},
}

# ---- The function's environment, for `sam local invoke`


def s3_source(flavor, region, buckets, **more):
    return {"kind": "s3", "flavor": flavor, "endpoint": S3, "region": region} | more | {"buckets": {name: {"prefix": prefix} for name, prefix in buckets.items()}}


SOURCES = {
    "vk": s3_source(
        "vk",
        "ru-msk",
        {"mcs5259999770/myfiles-ash": "myfiles/", "mcs0000000000/origin": "origin/"},
        url=ARTICLE["url"],
        path="/webhook",
    ),
    "vk-docs": s3_source("vk", "ru-msk", {"mcs2883541269/bucketA": "docs/"}, url=DOCS["url"]),
    "minio": s3_source("minio", "us-east-1", {"photos": "minio/"}),
    "minio-token": s3_source("minio", "us-east-1", {"photos": "minio-token/"}),
    "b2": s3_source("b2", "us-west-004", {"mySampleBucket": "b2/"}),
    "ceph": s3_source("ceph", "us-east-1", {"mybucket1": "ceph/"}),
    "aws": s3_source("aws", "us-west-2", {"mybucket": "aws/"}),
    "aws-sns": s3_source("aws", "us-west-2", {"mybucket": "aws-sns/"}, topics=[SNS_SUBSCRIPTION["TopicArn"]]),
    "github": {"kind": "generic", "verify": "github"},
    "meta": {"kind": "generic", "verify": "meta"},
    "x": {"kind": "generic", "verify": "x"},
    "graph": {"kind": "generic", "verify": "bearer"},
    "standard": {"kind": "generic", "verify": "standard-webhooks"},
    "intdash": {"kind": "intdash", "url": INTDASH, "trigger": ["completed", "finished"], "data": "float64/*"},
}
LOCAL_KEYS = {"access_key_id": "local", "secret_access_key": "local"}
SECRETS = {name: LOCAL_KEYS for name, source in SOURCES.items() if source["kind"] == "s3"}
SECRETS["minio-token"] = LOCAL_KEYS | {"secrets": [MINIO_TOKEN]}
SECRETS["b2"] = LOCAL_KEYS | {"secrets": [B2_SECRET]}
SECRETS |= {name: {"secrets": [GITHUB_VECTOR["secret"]]} for name in ("github", "meta", "graph")}
SECRETS |= {"x": {"secrets": [X_VECTOR["secret"]]}, "standard": {"secrets": [STANDARD_VECTOR["secret"]]}}
SECRETS["intdash"] = {"secrets": [SECRET], "api_token": "local"}
SECRETS["inbox"] = {"token": INBOX_TOKEN}

ENVIRONMENT = {
    "Parameters": {
        "SOURCES": compact(SOURCES),
        "SECRETS": compact(SECRETS),
        "SECRETS_ARN": "",
        "BACKUP_BUCKET": "backup",
        "BACKUP_REGION": "",
        "BACKUP_SSE": "",
        "BACKUP_SSE_KEY": "",
        "STATE_BUCKET": "state",
        "SNS_TOPIC_ARN": f"arn:aws:sns:us-east-1:{ACCOUNT}:hookwork-notices",
        # One function does the work before it answers.
        "QUEUE_URL": "",
        "RECORD": "",
        "LOG_LEVEL": "info",
        "AWS_ENDPOINT_URL_S3": S3,
        "AWS_ENDPOINT_URL_SNS": SNS,
    }
}


def files():
    """Every file by name, as it is to be."""
    made = {f"{name}.json": shape(name, path, body, headers, **options) for name, (shape, path, body, headers, options) in EVENTS.items()}
    made |= {f"{name}.json": event for name, event in TOLD.items()}
    made["env.json"] = ENVIRONMENT
    return {name: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for name, value in made.items()}


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text)
    print(f"{len(files())} files in {HERE}")
