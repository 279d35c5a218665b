"""The requests that both the programs that this one replaces and this one are sent, and where their answers may differ.

A row of s3-webhook says what the origin bucket and the backup hold (key -> bytes), what of it cannot be read (`fails`), the
allow-list's entry, and the URL as registered. `differs` names one of REASONS, or is None: then both must do the same.
"""

import base64
import hashlib
import hmac
import json

# "wrong": a defect of the program that is replaced. "interface": our answers are stricter, or told otherwise, by intent.
REASONS = {
    "a hint": {"of": "wrong", "says": "It believes every event, so that a forged, late or repeated one removes or keeps what it should not. Here an event is a hint, and the origin is looked at."},
    "anyone": {"of": "wrong", "says": "It asks nobody who they are: any project's or bucket's events and handshakes are served. Here there is an allow-list."},
    "stale action": {"of": "wrong", "says": "Its `action` is declared outside the loop, so that an event of an unknown name does what the record before it did. Here each record stands alone."},
    "batch aborted": {"of": "wrong", "says": "The first record that fails ends the delivery with 400, and the records after it are not looked at. Here every record is tried, and a failure asks for another delivery."},
    "key not decoded": {"of": "wrong", "says": "It takes the key as it is on the wire. Here both readings are looked at, since VK documents none."},
    "literal text": {"of": "wrong", "says": "It looks for the text `\"Type\":\"SubscriptionConfirmation\"` anywhere in the body: with a space in it a handshake gets an empty 200, and a delivery that has it elsewhere is lost. Here JSON is parsed."},
    "rebuilt URL": {"of": "wrong", "says": "It signs `http://`, Host and path, whatever was registered. Here the registered URL is a setting, or that of the request context."},
    "a word missed": {"of": "wrong", "says": "It knows `PutObject` and `PutObjectCopy`, but not the bare `CompleteMultipartUpload`: large objects have no copy."},
    "newline in the secret": {"of": "wrong", "says": "Its README's `echo` leaves a newline in the key, so that no signature of the sender's is right. Here it is trimmed, and the log says so."},
    "base64 ignored": {"of": "wrong", "says": "It hashes the gateway's base64 instead of the bytes that were sent."},
    "case of the header": {"of": "wrong", "says": "It looks the header up in one spelling only; a REST API hands it over as the sender wrote it."},
    "no such thing as 422": {"of": "wrong", "says": "It refuses with 422 what is authentic and nothing to do for, `completed` included, which is what the released API sends. Here `completed` and `finished` are summarised, the rest gets 200."},
    "not a number": {"of": "wrong", "says": "Of no data points it mails `NaN`. Here the notice says so in words."},
    "test delivery": {"of": "wrong", "says": "It summarises test deliveries, whose ids are random."},
    "not the shape": {"of": "interface", "says": "What is not the shape that the sender documents is refused with 400; it reads absent fields as empty, `null` as a list, names in any case, and bytes that are no UTF-8."},
    "other dialects": {"of": "interface", "says": "It refuses a delivery for the spelling of a field that nobody needs (sequencer, size, SignatureVersion). Here these are not read."},
    "method": {"of": "interface", "says": "Each route has its method; it answers any."},
    "slashes": {"of": "interface", "says": "A slash at the end of a registered URL, or two in a row, is the same route."},
    "any name": {"of": "interface", "says": "It does nothing for a record without a name of an event. Here a record that names a listed bucket and a key is a hint, whatever its event is called."},
}

PROJECT, BUCKET = "mcs1", "origin"
ARTICLE = {
    "Timestamp": "2020-06-15T15:01:13+03:00",
    "Type": "SubscriptionConfirmation",
    "Message": "You have chosen to subscribe to the topic $topic\\nTo confirm the subscription you need to response with calculated signature",
    "TopicArn": "mcs5259999770|myfiles-ash|s3:ObjectCreated:*,s3:ObjectRemoved:*",
    "SignatureVersion": 1,
    "Token": "E2itMqAMUVVZc51pUhFWSp13DoxezvRxkUh5P7LEuk1dEe9y",
}
DOCS = ARTICLE | {
    "Timestamp": "2019-12-26T19:29:12+03:00",
    "TopicArn": "mcs2883541269|bucketA|s3:ObjectCreated:Put",
    "Token": "RPE5UuG94rGgBH6kHXN9FUPugFxj1hs2aUQc99btJp3E49tA",
}
ARTICLE_ALLOWED, DOCS_ALLOWED = "mcs5259999770/myfiles-ash", "mcs2883541269/bucketA"
CONFIRMS = {"X-Amz-Sns-Message-Type": "SubscriptionConfirmation", "Content-Type": "application/json"}
TELLS = {"X-Amz-Sns-Message-Type": "Notification"}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def s3(name, body, *, differs=None, origin=None, backup=None, fails=(), headers=TELLS, method="POST", path="/webhook", host="hooks.test", registered=None, allowed=f"{PROJECT}/{BUCKET}"):
    """A row of s3-webhook; `body` is bytes, text, or a value to be written as compact JSON."""
    request = {"method": method, "path": path, "host": host, "headers": headers}
    if isinstance(body, bytes):
        request["body_base64"] = base64.b64encode(body).decode()
    else:
        request["body"] = body if isinstance(body, str) else compact(body)
    row = {"name": name, "differs": differs, "request": request, "allowed": allowed, "registered": registered}
    return row | {"origin": origin or {}, "backup": backup or {}, "fails": list(fails)}


def handshake(name, challenge, *, headers=CONFIRMS, registered, allowed, **rest):
    """A handshake at the URL as registered, as HTTP sends it there; `rest` may say what differs."""
    place = registered.split("://")[1]
    host, _, path = place.partition("/")
    rest = {"host": host, "path": f"/{path}"} | rest
    return s3(name, challenge, headers=headers, registered=registered, allowed=allowed, **rest)


def article(name, body=ARTICLE, registered="http://89.208.199.220/webhook", **rest):
    return handshake(name, body, registered=registered, allowed=ARTICLE_ALLOWED, **rest)


def record(event, key, bucket=BUCKET, project=PROJECT):
    return {
        "s3": {
            "object": {"eTag": "aed563ecafb4bcc5654c597a421547b2", "sequencer": 1577453615, "key": key, "size": 100},
            "configurationId": "1",
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": project}},
            "s3SchemaVersion": "1.0",
        },
        "eventVersion": "1.0",
        "requestParameters": {"sourceIPAddress": "185.6.245.156"},
        "userIdentity": {"principalId": "2407013e-cbc1-415f-9102-16fb9bd6946b"},
        "eventName": event,
        "awsRegion": "ru-msk",
        "eventSource": "aws:s3",
        "responseElements": {"x-amz-request-id": "VGJR5rtJ"},
    }


def told(name, *records, **rest):
    return s3(name, {"Records": list(records)}, **rest)


PUT, COPY, PARTS = (f"s3:ObjectCreated:{how}" for how in ("Put", "Copy", "CompleteMultipartUpload"))
GONE, ACL = "s3:ObjectRemoved:Delete", "s3:ObjectAcl:Put"
A = {"a": "1"}
HOSTILE = ["a//b", "a/./b", "a/../b", "/leading", "trailing/", "100%", "^:;,=", "-rf", "$(touch pwned)`id`", "it's \"quoted\"", "two\nlines", "\u00dcn\u00ef", "e\u0301", "\u65e5\u672c\u8a9e", "k" * 1024]


def with_field(path, value):
    changed = record(PUT, "a")
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


S3_WEBHOOK = [
    s3("liveness", "", method="GET", path="/ping", headers={}),
    s3("liveness by another method", "", method="POST", path="/ping", headers={}, differs="method"),
    s3("no such route", "{}", path="/other"),
    s3("a trailing slash", {"Records": [record(PUT, "a")]}, path="/webhook/", origin=A, differs="slashes"),
    s3("another method", "", method="GET"),
    # Handshakes.
    article("handshake of the article, as published"),
    handshake("handshake of the documentation, at a URL with a path", DOCS, registered="http://test.com/webhook", allowed=DOCS_ALLOWED),
    handshake("handshake of the documentation as published, its URL without a path", DOCS, registered="http://test.com", allowed=DOCS_ALLOWED, path="/webhook", differs="rebuilt URL"),
    article("handshake, told to be a notification", headers=TELLS),
    article("handshake, its header in the plural of old documents", headers={"x-amz-sns-messages-type": "SubscriptionConfirmation"}),
    article("handshake without a header of its own", headers={}),
    article("handshake without a content type", headers={"X-Amz-Sns-Message-Type": "SubscriptionConfirmation"}),
    article("handshake of another content type", headers={"Content-Type": "text/plain; charset=UTF-8"}),
    article("handshake with spaces between its fields", json.dumps(ARTICLE), differs="literal text"),
    article("handshake over several lines", json.dumps(ARTICLE, indent=2), differs="literal text"),
    article("handshake whose text is escaped", compact(ARTICLE).replace("Token\":\"E2", "Token\":\"\\u00452")),
    article("handshake with fields that nobody knows", ARTICLE | {"Added": {"later": [1]}}),
    article("handshake registered with its port", registered="http://89.208.199.220:8080/webhook"),
    article("handshake registered as https", registered="https://89.208.199.220/webhook", differs="rebuilt URL"),
    article("handshake registered with a query", registered="http://89.208.199.220/webhook?key=1", differs="rebuilt URL"),
    article("handshake behind a proxy that has a host of its own", registered="http://hooks.example.com/webhook", host="10.0.0.7:8080", differs="rebuilt URL"),
    handshake("handshake for another project's bucket", ARTICLE, registered="http://89.208.199.220/webhook", allowed=DOCS_ALLOWED, differs="anyone"),
    article("handshake without a token", {name: value for name, value in ARTICLE.items() if name != "Token"}, differs="not the shape"),
    article("handshake whose signature version is text", ARTICLE | {"SignatureVersion": "1"}, differs="other dialects"),
    article("another type of message", ARTICLE | {"Type": "UnsubscribeConfirmation"}, differs="not the shape"),
    # Events, one at a time.
    told("created", record(PUT, "a"), origin=A),
    told("created by a copy", record(COPY, "a"), origin=A),
    told("created of parts", record(PARTS, "a"), origin=A),
    told("created, by the call's name", record("PutObject", "a"), origin=A),
    told("created by a copy, by the call's name", record("PutObjectCopy", "a"), origin=A),
    told("created of parts, by the call's name", record("CompleteMultipartUpload", "a"), origin=A, differs="a word missed"),
    told("created, without the prefix", record("ObjectCreated:Put", "a"), origin=A),
    told("overwritten", record(PUT, "a"), origin=A, backup={"a": "0"}),
    told("created, told twice", record(PUT, "a"), record(PUT, "a"), origin=A),
    told("created, and the backup has it", record(PUT, "a"), origin=A, backup=A),
    told("removed", record(GONE, "a"), backup=A),
    told("removed, by the call's name", record("DeleteObject", "a"), backup=A),
    told("removed, and the backup never had it", record(GONE, "a")),
    told("a name that nobody knows", record(ACL, "a"), origin=A),
    told("created, and removed again since", record(PUT, "a"), backup=A, differs="a hint"),
    told("removed, and created again since", record(GONE, "a"), origin=A, backup=A, differs="a hint"),
    told("removed and created out of order", record(PUT, "a"), record(GONE, "a"), origin=A, differs="a hint"),
    told("forged removals", record(GONE, "a"), record(GONE, "b"), origin={"a": "1", "b": "2"}, backup={"a": "1", "b": "2"}, differs="a hint"),
    # Several in one delivery.
    told("several, all right", record(PUT, "a"), record(COPY, "b"), record(GONE, "c"), origin={"a": "1", "b": "2"}, backup={"c": "3"}),
    told("an unknown name after a removal", record(GONE, "a"), record(ACL, "b"), origin={"b": "2"}, backup={"a": "1", "b": "2"}, differs="stale action"),
    told("an unknown name after a creation", record(PUT, "a"), record(ACL, "b"), origin={"a": "1", "b": "2"}, differs="stale action"),
    told("an unknown name first", record(ACL, "b"), record(PUT, "a"), origin={"a": "1", "b": "2"}),
    told("the first one fails", record(PUT, "f"), record(PUT, "a"), record(GONE, "c"), origin={"f": "9", "a": "1"}, backup={"c": "3"}, fails=["f"], differs="batch aborted"),
    told("the last one fails", record(PUT, "a"), record(PUT, "f"), origin={"f": "9", "a": "1"}, fails=["f"], differs="batch aborted"),
    told("the only one fails", record(PUT, "f"), origin={"f": "9"}, fails=["f"], differs="batch aborted"),
    told("no records", origin=A),
    # Whose.
    told("another bucket", record(PUT, "a", bucket="other"), differs="anyone"),
    told("another project's bucket of the same name", record(PUT, "a", project="mcs2"), origin=A, differs="anyone"),
    told("another bucket among the right ones", record(PUT, "b", bucket="other"), record(PUT, "a"), origin=A, differs="anyone"),
    # Keys.
    told("hostile keys", *(record(PUT, key) for key in HOSTILE), origin={key: key[:9] for key in HOSTILE}),
    told("hostile keys are removed", *(record(GONE, key) for key in HOSTILE), backup={key: key[:9] for key in HOSTILE}),
    told("a plus that is a plus", record(PUT, "a+b"), origin={"a+b": "1"}),
    told("a plus that is a space", record(PUT, "a+b"), origin={"a b": "1"}, differs="key not decoded"),
    told("a percent sign that is itself", record(PUT, "a%20b"), origin={"a%20b": "1"}),
    told("a form-encoded key", record(PUT, "photos%2F%C3%9Cn%C3%AF+1.jpg"), origin={"photos/\u00dcn\u00ef 1.jpg": "1"}, differs="key not decoded"),
    told("a form-encoded key is removed", record(GONE, "a%2Fb"), backup={"a/b": "1"}, differs="key not decoded"),
    told("a key longer than any", record(PUT, "k" * 1025), differs="not the shape"),
    told("a key that says it is a handshake", record(PUT, '"Type":"SubscriptionConfirmation"'), origin={'"Type":"SubscriptionConfirmation"': "1"}),
    s3("records beside what says it is a handshake", {"Type": "SubscriptionConfirmation", "Records": [record(PUT, "a")]}, origin=A, differs="literal text"),
    # Shapes.
    s3("an empty body", ""),
    s3("no JSON", "hello"),
    s3("a list", "[]"),
    s3("cut short", compact({"Records": [record(PUT, "a")]})[:-2], origin=A),
    s3("more after the JSON", compact({"Records": [record(PUT, "a")]}) + "x", origin=A),
    s3("no fields", {}, differs="not the shape"),
    s3("no list of records", {"Records": None}, differs="not the shape"),
    s3("records that are no list", {"Records": {}}),
    s3("with spaces", json.dumps({"Records": [record(PUT, "a")]}, indent=2), origin=A),
    s3("fields that nobody knows", {"Records": [record(PUT, "a") | {"added": {"later": 1}}], "EventName": "x"}, origin=A),
    s3("names of fields in other case", compact({"Records": [record(PUT, "a")]}).replace("Records", "records"), origin=A, differs="not the shape"),
    s3("bytes that are no UTF-8", compact({"Records": [record(PUT, "a!")]}).encode().replace(b"a!", b"a\xff"), differs="not the shape"),
    s3("half of a surrogate pair", compact({"Records": [record(PUT, "a!")]}).replace("a!", "a\\ud800"), differs="not the shape"),
    told("no name of an event", with_field(["eventName"], None), origin=A, differs="any name"),
    told("no key", with_field(["s3", "object", "key"], None), differs="not the shape"),
    told("a sequencer that is text", with_field(["s3", "object", "sequencer"], "0055AED6DCD90281E5"), origin=A, differs="other dialects"),
    told("a size that is text", with_field(["s3", "object", "size"], "1024"), origin=A, differs="other dialects"),
    told("no sequencer, size or ETag", {"eventName": PUT, "s3": {"bucket": {"name": BUCKET, "ownerIdentity": {"principalId": PROJECT}}, "object": {"key": "a"}}}, origin=A),
]

SECRET = "stringstringstringstringstringst"
SAMPLE = "1a14f158-2a0c-44c7-ace1-e0d21ecc93e9"
OFFICIAL = (
    '{"delivery_uuid":"d41cd3e1-7bf3-481e-bb68-1efeef5bd62a","hook_uuid":"5b7ea816-0d3b-4df5-9104-01046ebecf51",'
    '"resource_type":"measurement","action":"completed","occurred_at":"2024-12-25T00:23:50.972454Z",'
    f'"measurement_uuid":"{SAMPLE}","project_uuid":"00000000-0000-0000-0000-000000000000"}}'
)
HEADER = "x-intdash-signature-256"


def digest(body, secret=SECRET):
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256)


def signature(body, secret=SECRET):
    return base64.b64encode(digest(body, secret).digest()).decode()


def finished(**fields):
    return compact({"resource_type": "measurement", "action": "finished", "measurement_uuid": SAMPLE} | fields)


def intdash(name, body, *, differs=None, signed=None, header=HEADER, wire=None, is_base64=False, secret=SECRET, points=None, reading_fails=False, publishing_fails=False):
    """A row of intdash-webhook-example: `signed` is the header's value, the right one where it is not given."""
    value = signature(body) if signed is None else signed
    request = {"method": "POST", "path": "/hello", "headers": {header: value} if value else {}}
    request |= {"body": body if wire is None else wire, "base64": is_base64}
    row = {"name": name, "differs": differs, "request": request, "secret_file": secret, "points": points}
    row |= {"right_signature_hex": digest(request["body"], secret).hexdigest()}
    return row | {"reading_fails": reading_fails, "publishing_fails": publishing_fails}


def encoded(body):
    return base64.b64encode(body.encode()).decode()


DONE = finished()
INTDASH = [
    intdash("the delivery that was captured (completed)", OFFICIAL, signed="xLDu+qI59GmQxQpCn0MjVwzIH9HY3SYkY2dF6kWLMrQ=", differs="no such thing as 422"),
    intdash("finished", DONE),
    intdash("finished, with spaces and escapes", json.dumps({"resource_type": "measurement", "action": "finish\u0065d", "measurement_uuid": SAMPLE}, indent=1).replace("finished", "finish\\u0065d")),
    intdash("finished, with fields that nobody knows", finished(added={"later": []})),
    intdash("finished, of the default project", finished(project_uuid="00000000-0000-0000-0000-000000000000")),
    # Signatures.
    intdash("a wrong signature", DONE, signed=signature(DONE, "wrong")),
    intdash("no signature", DONE, signed=""),
    intdash("a signature that is no base64", DONE, signed="====!"),
    intdash("a signature in hex", DONE, signed=digest(DONE).hexdigest()),
    intdash("a signature with a scheme's name before it", DONE, signed="sha256=" + signature(DONE)),
    intdash("a signature with a space after it", DONE, signed=signature(DONE) + " "),
    intdash("half a signature", DONE, signed=base64.b64encode(digest(DONE).digest()[:16]).decode()),
    intdash("a body that was changed", finished(added=1), signed=signature(DONE)),
    intdash("a body with a newline after it", DONE + "\n", signed=signature(DONE)),
    intdash("the header as senders write it", DONE, header="X-Intdash-Signature-256", differs="case of the header"),
    intdash("the header in capitals", DONE, header=HEADER.upper(), differs="case of the header"),
    intdash("a body that the gateway encoded", DONE, wire=encoded(DONE), is_base64=True, differs="base64 ignored"),
    intdash("a body that is base64 and not said to be", DONE, wire=encoded(DONE)),
    intdash("a newline at the end of the secret's file", DONE, secret=SECRET + "\n", differs="newline in the secret"),
    intdash("a signature by the secret and its newline", DONE, secret=SECRET + "\n", signed=signature(DONE, SECRET + "\n"), differs="newline in the secret"),
    # What else intdash tells.
    intdash("a measurement was created", finished(action="created"), differs="no such thing as 422"),
    intdash("a measurement has ended", finished(action="ended"), differs="no such thing as 422"),
    intdash("an edge has connected", compact({"resource_type": "edge_connection", "action": "connected", "edge_uuid": SAMPLE}), differs="no such thing as 422"),
    intdash("a test delivery", finished(is_test=True), differs="test delivery"),
    # Shapes.
    intdash("an empty body", ""),
    intdash("no JSON", "hello"),
    intdash("a list", "[]"),
    intdash("no measurement", compact({"resource_type": "measurement", "action": "finished"}), differs="not the shape"),
    intdash("a measurement that is no id", finished(measurement_uuid="../../admin"), differs="not the shape"),
    intdash("names of fields in other case", DONE.replace("action", "Action"), differs="not the shape"),
    # Data points.
    intdash("no data points", DONE, points=[], differs="not a number"),
    intdash("one data point", DONE, points=[7.5]),
    intdash("two data points", DONE, points=[1.0, 2.0]),
    intdash("a large mean beside a small variance", DONE, points=[1e9 + step for step in (4.0, 7.0, 13.0, 16.0)]),
    intdash("negative and very small ones", DONE, points=[-1.5, 2.5e-9, -3.25, 0.0]),
    intdash("intdash does not answer", DONE, reading_fails=True),
    intdash("the topic does not answer", DONE, publishing_fails=True),
]

ROWS = {"s3-webhook": S3_WEBHOOK, "intdash-webhook-example": INTDASH}
