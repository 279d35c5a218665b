"""What fuzzing starts from: the events of events/, the published vectors, and one of everything that is read back."""

import base64
import json
import pathlib

ROOT = pathlib.Path(__file__).parent.parent
SCHEMES = "abcdefghijklmnopq"
# The words of every wire and setting, whole: libFuzzer puts them where it likes.
WORDS = """
Records eventName s3 bucket object key name ownerIdentity principalId s3:ObjectCreated:Put ObjectRemoved:Delete s3:TestEvent Event Type
SubscriptionConfirmation TopicArn Timestamp Token mcs1|project|s3:ObjectCreated:* origin mcs1 project %2F %25 %FF + a/b.jpg
resource_type measurement action completed finished measurement_uuid project_uuid is_test data_type data_id data_name float64 data d
intdash/measurement/get/data/error error error_description
POST GET OPTIONS /hooks/vk /hooks/intdash /hooks/github /hooks/stripe /hooks/meta /webhook ?access_token= ?validationToken= ?crc_token=
?hub.mode=subscribe&hub.challenge=1&hub.verify_token= x-hub-signature-256: x-hub-signature: stripe-signature: x-slack-signature:
x-slack-request-timestamp: webhook-id: webhook-timestamp: webhook-signature: svix-id: svix-timestamp: svix-signature: x-gitlab-token:
x-shopify-hmac-sha256: x-twitter-webhooks-signature: x-bz-event-notification-signature: authorization: secret: webhook-request-origin:
webhook-request-rate: x-amz-sns-message-type: 1700000000 t=1700000000,v1= v1, v0= sha256= Bearer Basic challenge token url_verification
SigningCertURL SubscribeURL SignatureVersion MessageId Message Signature https://sns.us-east-1.amazonaws.com/x.pem Notification
header prefix separator encoding hex base64 base64url algorithm sha1 sha256 sha512 signed {body} {timestamp} {id} key_prefix
timestamp_header timestamp_prefix tolerance id_header id_field event_header event_field /id
version delivery work kind mirror summary audit source key received headers from method Root=1-65a0c8d2-0123456789abcdef01234567;Sampled=1
flavor vk minio ceph aws endpoint region buckets name basetime max_elapsed_time sequences expected_data_points received_data_points int64 time prefix include exclude deletes keep hold count share storage_class notify url path trigger
verify topics generic secrets keys access_key_id secret_access_key url_key api_token verify_token
ListBucketResult EncodingType Contents Key LastModified Initiated ETag UploadId Sun, Sunday, Nov Feb GMT UTC +0000 -0500 T08:49:37Z 23:59:60
NotificationConfiguration SimpleTopicConfiguration Id Url Filter S3Key FilterRule <!--  --> <![CDATA[ ]]> &amp; &#x0; <?xml <!DOCTYPE
\\u0000 \\ud800 1e999 -0 null true [] {}
""".split()


def event(name):
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def dictionary():
    quoted = lambda word: "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\x{b:02x}" for b in word.encode())
    words = WORDS + [f'"{word}":' for word in WORDS if word.isidentifier()]
    return "".join(f'"{quoted(word)}"\n' for word in words)


def vectors():
    return json.loads((ROOT / "tests/vectors/vectors.json").read_text())


def bodies():
    names = [path.stem for path in sorted((ROOT / "events").glob("*.json")) if path.stem != "env"]
    for name in names:
        read = event(name)
        if "body" in read:
            body = read["body"]
            yield name, base64.b64decode(body).decode() if read.get("isBase64Encoded") else body


def request(headers, body, target="POST /hooks/s"):
    return "\n".join([target, *(f"{name}: {value}" for name, value in headers.items())]) + "\n\n" + body


def generic():
    """A request of every scheme, signed by nobody we know."""
    hexed, based = "ab" * 32, base64.b64encode(bytes(32)).decode()
    body = '{"id":"evt_1","type":"a.b","event":{"type":"c"},"challenge":"x"}'
    standard = {"webhook-id": "m", "webhook-timestamp": "1700000000", "webhook-signature": f"v1,{based} v1a,AA"}
    by = [
        {"X-Hub-Signature-256": f"sha256={hexed}", "X-GitHub-Event": "push", "X-GitHub-Delivery": "1"},
        {"X-Gitlab-Token": "t", "X-Gitlab-Event": "Push Hook"},
        {"X-Hub-Signature": f"sha256={hexed}", "X-Event-Key": "repo:push"},
        {"Stripe-Signature": f"t=1700000000,v1={hexed},v0={hexed}"},
        {"X-Slack-Signature": f"v0={hexed}", "X-Slack-Request-Timestamp": "1700000000"},
        standard,
        {name.replace("webhook", "svix"): value for name, value in standard.items()},
        {"X-Hub-Signature-256": f"sha256={hexed}"},
        {"X-Shopify-Hmac-Sha256": based, "X-Shopify-Topic": "orders/create"},
        {"X-Twitter-Webhooks-Signature": f"sha256={based}"},
        {"X-Bz-Event-Notification-Signature": f"v1={hexed}"},
        {"Authorization": "Bearer t"},
        {"x-amz-sns-message-type": "Notification"},
        {"Authorization": "bearer t"},
        {"Authorization": f"Basic {based}"},
        {"Secret": "t"},
        {"WebHook-Request-Origin": "https://a.test", "WebHook-Request-Rate": "120"},
    ]
    sns = {
        "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:123456789012:topic", "Message": "{}", "Subject": "s",
        "Timestamp": "2023-11-14T22:13:20.000Z", "SignatureVersion": "2", "Signature": based,
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
    }
    for letter, headers in zip(SCHEMES, by):
        yield letter + request(headers, body)
        yield letter + request(headers, json.dumps(sns))
        yield letter + request(headers, "", "OPTIONS /hooks/s")
        yield letter + request(headers, "", "GET /hooks/s?hub.mode=subscribe&hub.challenge=1&hub.verify_token=t&crc_token=a&validationToken=b")


def of(target):
    """The first inputs of a target."""
    all_bodies = [body for _, body in bodies()]
    if target == "s3":
        yield from (letter + body for letter in "abcd" for body in all_bodies)
    elif target == "intdash":
        signed = vectors()["intdash_signature"]
        yield from (letter + body for letter in "a" for body in all_bodies)
        yield from (f"b{one['signature']}\n{one['body']}" for one in signed)
    elif target == "points":
        of = {"time": 1735086230972454000, "measurement_uuid": "m", "created_at": "2024-12-25T00:23:50Z"}
        lines = [
            of | {"data_type": "float64", "data_id": "1/a", "data": {"d": "QF7dLxqfvnc="}},
            of | {"data_type": "int64", "data_name": "1/b", "data": {"d": "AAAAAAAAAAc="}, "time": "2024-12-25T00:23:50.972454Z"},
            of | {"data_type": "float64/x", "data_id": "1/c", "data": {"d": "f/AAAAAAAAA="}},
            of | {"data_type": "string", "data_id": "1/d", "data": {"d": "aGk="}},
            of | {"data_type": "1", "data_id": "1/e", "data": {"s": "$GNRMC"}},
        ]
        facts = {"name": "n", "basetime": "2024-12-25T00:23:50Z", "max_elapsed_time": 7, "sequences": {"expected_data_points": 5, "received_data_points": 4}}
        for head in ('"*/*"\n' + json.dumps(facts), '["float64/1/*","int64/*"]\n', "\n{}"):
            yield "\n".join([head, *map(json.dumps, lines)])
            yield "\n".join([head, vectors()["intdash_data_error_line"]])
    elif target == "generic":
        yield from generic()
    elif target == "template":
        for template in (
            {"header": "x-a", "prefix": "v1=", "encoding": "hex", "signed": "{id}.{timestamp}.{body}", "timestamp_header": "x-t", "id_header": "x-i"},
            {"header": "x-a", "separator": ",", "encoding": "base64", "algorithm": "sha512", "key": "base64", "key_prefix": "whsec_"},
            {"header": "x-a", "encoding": "base64url", "algorithm": "sha1", "event_field": "/a/b", "id_field": "/id", "tolerance": 5},
        ):
            yield json.dumps(template) + "\n" + request({"x-a": "v1=abcd, v1=ef", "x-t": "1700000000", "x-i": "1"}, '{"a":{"b":1}}')
        yield from (json.dumps(name) + "\n" + request({"authorization": "Bearer x"}, "{}") for name in ("github", "sns", "none", "basic"))
    elif target == "stored":
        nil = "00000000-0000-0000-0000-000000000000"
        for work in (
            {"kind": "mirror", "source": "vk", "origin": "mcs1/b", "key": "a"},
            {"kind": "summary", "source": "i", "project": nil, "measurement": nil},
            {"kind": "audit", "source": "vk", "origin": "b"},
        ):
            yield "a" + json.dumps({"version": 1, "delivery": nil} | work)
            yield "a" + json.dumps({"version": 1, "delivery": nil, "work": work})
        yield "b" + json.dumps({"version": 1, "key": "k", "upload": "u", "fingerprint": "f", "size": 10, "part": 5, "parts": {}})
        yield "c" + json.dumps({"version": 1, "delivery": nil, "source": "s", "method": "POST", "received": 1, "from": None, "headers": [["a", "b"]]}) + "\nbody"
        yield "dRoot=1-65a0c8d2-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1"
        yield "e1:0123456789abcdef:etag:vk/mcs1/b"
        yield 'f/a/b\n{"a":{"b":"c"}}'
    elif target == "answers":
        listed = "<Contents><Key>a%2Bb</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>&quot;a&quot;</ETag><Size>5</Size></Contents>"
        yield f"a<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType>{listed}</ListBucketResult>"
        yield "a<Upload><Key>a\x01&b&#x1F;&amp;\uffff</Key><Initiated>Sun, 6 Nov 1994 08:49:37 GMT</Initiated></Upload>"
        yield "a<Error><Code>NoSuchKey</Code><Key>a & b</Key></Error>"
        for time in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37.000+02:00", "19941106T084937Z", "784111777"):
            yield "b" + time
        yield "c" + json.dumps({"vk": {"keys": [{"access_key_id": "a", "secret_access_key": "b\n"}]}, "i": {"secrets": ["x"], "api_token": "t"}})
    elif target == "settings":
        parameters = json.loads((ROOT / "events/env.json").read_text())["Parameters"]
        yield from ("a" + json.dumps(source) for source in json.loads(parameters["SOURCES"]).values())
        yield "a" + json.dumps({"kind": "generic", "verify": {"header": "x", "encoding": "hex"}, "from": ["192.0.2.0/24"], "path": "/w"})
        yield "b" + parameters.get("SECRETS", "{}")
        yield "b" + json.dumps({"a": {"keys": [{"access_key_id": "a", "secret_access_key": "hunter2\n"}], "url_key": "u", "api_token": "t", "secrets": ["x"]}})
        yield 'c<?xml version="1.0" encoding="UTF-8"?>\n<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><SimpleTopicConfiguration><Id>1</Id><Event>s3:ObjectCreated:Put</Event><Url>http://test.com</Url></SimpleTopicConfiguration></NotificationConfiguration>'
        yield "c<NotificationConfiguration/>"
        yield "dhttp://Test.com:80/w/?a=b"
