#!/usr/bin/env python3
"""The stack deployed for real, offline, and used as its senders and its operator use it.

    make e2e

AWS is ministack (aws.py), the origin is SeaweedFS; both speak TLS only and check every signature. Each step says what it is,
and the first thing that is wrong ends the run with 1. Nothing that it starts outlives it. README.md beside this file lists
what it shows, and what an emulator cannot show.
"""

import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import random
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from base64 import b64encode

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from aws import BUILT, Aws, for_ministack  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from function import KEY, SECRET  # noqa: E402
from machine import ROOT  # noqa: E402
from ports import wait_for  # noqa: E402
from weed import Weed  # noqa: E402

# Seconds for all of it, the build not included.
LIMIT = 600
PROJECT = "mcs0000000000"
# Keys as users have them.
HOSTILE = "photos/Ünï 100%+1.jpg"
# Two parts.
LARGE = 9 << 20
BEGAN = time.monotonic()


def step(what):
    print(f"{time.monotonic() - BEGAN:6.1f} s  {what}", flush=True)


def equal(found, expected, what):
    assert found == expected, f"{what}: expected {expected!r}, found {found!r}"


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


class Origin:
    """The origin's bucket at SeaweedFS, and what its backup must be."""

    def __init__(self, folder):
        self.weed = Weed(folder, tls=True)
        self.s3, self.endpoint, self.ca = self.weed.s3, self.weed.endpoint, self.weed.ca

    def put(self, key, body, **more):
        self.s3.put_object(Bucket="origin", Key=key, Body=body, **more)

    def remove(self, key):
        self.s3.delete_object(Bucket="origin", Key=key)

    def content(self):
        """Every key with its bytes."""
        return content(self.s3, "origin")


def keys(s3, bucket, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, EncodingType="url")
    return [urllib.parse.unquote_plus(it["Key"]) for page in pages for it in page.get("Contents", [])]


def content(s3, bucket):
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys(s3, bucket)}


class Stack:
    """One deployment of the template."""

    def __init__(self, aws, origin, name, template):
        self.aws, self.origin, self.name, self.template = aws, origin, name, template
        self.url_key, self.signing, self.token = secrets.token_urlsafe(24), secrets.token_hex(16), secrets.token_urlsafe(24)
        sources = {
            "vk": {"kind": "s3", "flavor": "vk", "endpoint": origin.endpoint, "region": "us-east-1", "buckets": {f"{PROJECT}/origin": {}}},
            "intdash": {"kind": "intdash", "url": "https://127.0.0.1:1"},
            "github": {"kind": "generic", "verify": "github"},
        }
        self.parameters = {"Sources": json.dumps(sources), "LogLevel": "info"}
        self.s3, self.sqs = aws.client("s3"), aws.client("sqs")

    def deploy(self, **parameters):
        """`sam deploy`, as `make deploy` does it, of the template that is built already."""
        self.parameters |= parameters
        file = self.aws.log.parent / f"{self.name}.yaml"
        # JSON is YAML.
        file.write_text(json.dumps(self.parameters))
        command = ["sam", "deploy", "--config-file", ROOT / "samconfig.toml", "--template-file", self.template, "--stack-name", self.name]
        self.aws.run(*command, "--no-confirm-changeset", "--parameter-overrides", f"file://{file}")
        cloudformation = self.aws.client("cloudformation")
        (stack,) = cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        self.status = stack["StackStatus"]
        self.outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
        resources = cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        self.resources = {it["LogicalResourceId"]: (it["ResourceType"], it["PhysicalResourceId"]) for it in resources}
        self.backup = self.outputs["BackupBucket"]

    def put_secrets(self, output, value):
        """Runs the command that an output names, beside the file that it names."""
        command = shlex.split(self.outputs[output])
        with tempfile.TemporaryDirectory(dir=self.aws.log.parent) as folder:
            (name,) = [word.removeprefix("file://") for word in command if word.startswith("file://")]
            pathlib.Path(folder, name).write_text(json.dumps(value))
            self.aws.run(*command, cwd=folder)

    # ---- As senders see it

    @property
    def registered(self):
        return f"{self.outputs['VkUrl']}/{self.url_key}"

    def deliver(self, *records, url=None):
        """A delivery of VK's: no content type, any number of records. Each is a key, or a key and an event's name."""
        named = [record if isinstance(record, tuple) else (record, "s3:ObjectCreated:Put") for record in records]
        body = {"Records": [{"eventName": name, "s3": {"bucket": {"name": "origin", "ownerIdentity": {"principalId": PROJECT}}, "object": {"key": key}}} for key, name in named]}
        headers = {"x-amz-sns-message-type": "Notification"}
        status, text = self.aws.request(url or self.registered, "POST", json.dumps(body).encode(), headers)
        return status, json.loads(text)

    def delivered(self, *records):
        """The same, and it must have been taken. Returns how many jobs were queued, or the outcomes."""
        status, answer = self.deliver(*records)
        equal(status, 200, f"a delivery was answered {answer}")
        return answer.get("queued") or [it["outcome"] for it in answer["outcomes"]]

    # ---- As its operator sees it

    def copy(self, key):
        """The bytes in the backup."""
        try:
            return self.s3.get_object(Bucket=self.backup, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None

    def becomes(self, key, body, patience=90):
        wait_for(f"the backup of {key} is right", lambda: self.copy(key) == body, patience)

    def waiting(self, queue):
        """How many messages a queue has to give, and how many it has given out."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]), int(attributes["ApproximateNumberOfMessagesNotVisible"])

    def settled(self):
        """Waits until the queue is empty, nothing under way; nothing may have been given up."""
        wait_for("the queue is empty", lambda: self.waiting("JobQueue") == (0, 0))
        equal(self.waiting("DeadLetters"), (0, 0), "dead letters")

    def tell(self, event):
        """Invokes the function that works, as the clock or an operator does."""
        answer = self.aws.client("lambda").invoke(FunctionName=self.outputs["WorkerName"], Payload=json.dumps(event))
        text = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, text
        return json.loads(text)

    def delete(self):
        self.aws.run("make", "--no-print-directory", "delete", f"SAM_FLAGS=--stack-name {self.name} --no-prompts --config-file {ROOT / 'samconfig.toml'}")


# ---- The steps


def says_who_it_is(stack):
    equal(stack.aws.request(stack.outputs["PingUrl"]), (200, "Pong\n"), "GET /ping")


def refuses_until_it_has_its_secrets(stack):
    status, answer = stack.deliver("a.txt")
    equal((status, sorted(answer)), (500, ["delivery", "outcomes"]), "a delivery before the secrets are there")


def takes_its_secrets(stack):
    senders = {"vk": {"url_key": stack.url_key}, "intdash": {"secrets": [stack.signing]}, "github": {"secrets": [stack.signing]}}
    work = {"vk": {"access_key_id": KEY, "secret_access_key": SECRET}}
    inbox = {"inbox": {"token": stack.token}}
    if "WorkerName" in stack.outputs:
        stack.put_secrets("PutSecretsCommand", senders)
        stack.put_secrets("PutWorkerSecretsCommand", work)
        stack.put_secrets("PutInboxSecretsCommand", inbox)
    else:
        stack.put_secrets("PutSecretsCommand", senders | {"vk": senders["vk"] | work["vk"]} | inbox)


def keeps_each_secret_from_who_does_not_need_it(stack):
    """Whoever runs code of his own where deliveries are received does not learn what opens the inbox."""
    iam = stack.aws.client("iam")

    def reads(role):
        arn = iam.get_role(RoleName=stack.resources[role][1])["Role"]["Arn"]
        for output in ("SecretArn", "WorkerSecretArn", "InboxSecretArn"):
            asked = {"PolicySourceArn": arn, "ActionNames": ["secretsmanager:GetSecretValue"], "ResourceArns": [stack.outputs[output]]}
            (answer,) = iam.simulate_principal_policy(**asked)["EvaluationResults"]
            if answer["EvalDecision"] == "allowed":
                yield output

    found = {role: list(reads(role)) for role in ("ReceiverRole", "WorkerRole", "InboxRole")}
    equal(found, {"ReceiverRole": ["SecretArn"], "WorkerRole": ["WorkerSecretArn"], "InboxRole": ["SecretArn", "InboxSecretArn"]}, "who may read which secret")


def shakes_hands(stack):
    topic, token, stamp = f"{PROJECT}|origin|s3:ObjectCreated:*", secrets.token_urlsafe(48), "2026-01-12T05:06:10.123Z"
    challenge = {"Type": "SubscriptionConfirmation", "TopicArn": topic, "Timestamp": stamp, "Token": token, "Message": "confirm", "SignatureVersion": 1}
    expected = mac(mac(mac(token.encode(), stamp.encode()), topic.encode()), stack.registered.encode()).hex()

    def shaken():
        # A function that has looked for its secrets a moment ago looks again after half a minute.
        headers = {"content-type": "application/json", "x-amz-sns-message-type": "SubscriptionConfirmation"}
        return stack.aws.request(stack.registered, "POST", json.dumps(challenge).encode(), headers)

    wait_for("the handshake is answered", lambda: shaken()[0] == 200)
    equal(json.loads(shaken()[1]), {"signature": expected}, "the handshake")


def refuses_forgeries(stack):
    equal(stack.deliver("a.txt", url=stack.outputs["VkUrl"])[0], 404, "a delivery without the URL's key")
    equal(stack.deliver("a.txt", url=f"{stack.outputs['VkUrl']}/{secrets.token_urlsafe(24)}")[0], 404, "a delivery with another key")
    body = json.dumps({"resource_type": "measurement", "action": "completed", "is_test": True, "measurement_uuid": "9d1c2f5e-77a7-4b43-8b0a-3f5f2f3f6a10"}).encode()

    def signed(secret):
        headers = {"content-type": "application/json", "x-intdash-signature-256": b64encode(mac(secret.encode(), body)).decode()}
        return stack.aws.request(stack.outputs["IntdashUrl"], "POST", body, headers)[0]

    equal(signed(secrets.token_hex(16)), 401, "a measurement signed with another secret")
    equal(signed(stack.signing), 200, "a test delivery signed with ours")


def hands_on_what_is_signed(stack):
    sns = stack.aws.client("sns")
    topic = stack.resources["NoticeTopic"][1]
    queue = stack.sqs.create_queue(QueueName=f"{stack.name}-heard")["QueueUrl"]
    arn = stack.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]}
    stack.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"kind": ["forward"], "event": ["push"]})}
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes, ReturnSubscriptionArn=True)["SubscriptionArn"]
    body = b'{"ref": "refs/heads/main"}'

    def pushed():
        signature = hmac.new(stack.signing.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-github-event": "push", "x-github-delivery": "7", "x-hub-signature-256": f"sha256={signature}"}
        status, text = stack.aws.request(f"{stack.outputs['HooksUrl']}/github", "POST", body, headers)
        equal(status, 200, f"a delivery was answered {text}")
        return json.loads(text)["delivery"]

    def heard():
        messages = stack.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            stack.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"].encode() for message in messages]

    state = stack.resources["StateBucket"][1]
    first = pushed()
    wait_for("it is published", lambda: heard() == [body])
    wait_for("it counts as done", lambda: keys(stack.s3, state, "done/github/"))
    second = pushed()
    stack.settled()
    equal(heard(), [], "what was published of the same delivery again")
    # The newest is the first of a listing.
    kept = [key.split("/")[1].partition("-")[2] for key in keys(stack.s3, state, "deliveries/") if key.split("/")[2].startswith("0.")]
    equal(kept[:2], [second, first], "what was kept last")
    equal(stack.tell({"hookwork": "replay", "delivery": first}), {"count": 1}, "a replay")
    wait_for("it is published again", lambda: heard() == [body])
    sns.unsubscribe(SubscriptionArn=subscription)
    stack.sqs.delete_queue(QueueUrl=queue)


def copies_and_removes(stack):
    origin = stack.origin
    origin.put("a.txt", b"one")
    equal(stack.delivered("a.txt"), 1, "jobs")
    stack.becomes("a.txt", b"one")
    origin.put("a.txt", b"two", ContentType="text/x-two", Metadata={"who": "me"}, Tagging="kind=test")
    # The key reads differently raw and decoded, and is looked at as both.
    origin.put(HOSTILE, b"hostile")
    equal(stack.delivered("a.txt", HOSTILE, ("a.txt", "s3:ObjectAcl:Put")), 3, "jobs")
    stack.becomes("a.txt", b"two")
    stack.becomes(HOSTILE, b"hostile")
    head = stack.s3.head_object(Bucket=stack.backup, Key="a.txt")
    equal((head["ContentType"], head["Metadata"]["who"]), ("text/x-two", "me"), "what the copy keeps")
    equal(stack.s3.get_object_tagging(Bucket=stack.backup, Key="a.txt")["TagSet"], [{"Key": "kind", "Value": "test"}], "the copy's tags")
    # A lie does no harm, a removal is followed.
    equal(stack.delivered(("a.txt", "s3:ObjectRemoved:Delete")), 1, "jobs")
    stack.settled()
    equal(stack.copy("a.txt"), b"two", "the backup after a removal that never was")
    origin.remove(HOSTILE)
    stack.delivered((HOSTILE, "s3:ObjectRemoved:Delete"))
    stack.becomes(HOSTILE, None)
    stack.settled()


def carries_a_large_object(stack):
    body = random.Random(7).randbytes(LARGE)
    stack.origin.put("large.bin", body)
    stack.delivered("large.bin")
    stack.becomes("large.bin", body)
    stack.settled()
    equal(keys(stack.s3, stack.resources["StateBucket"][1], "uploads/"), [], "ledgers of an upload that is complete")


class Visitor:
    """Somebody with a browser, who has logged in."""

    def __init__(self, stack):
        self.aws, self.url = stack.aws, stack.outputs["InboxUrl"]
        status, headers, page = self.aws.asked(self.url)
        equal((status, headers["content-type"].partition(";")[0]), (401, "text/html"), "the page before somebody logs in")
        assert stack.token not in page
        equal(self.aws.request(f"{self.url}/api/deliveries")[0], 401, "a list before somebody logs in")
        equal(self.log_in("x" * len(stack.token))[0], 401, "a wrong token")
        status, headers, _ = self.log_in(stack.token)
        equal(status, 204, "the right token")
        self.cookie, _, how = headers["set-cookie"].partition(";")
        for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/inbox"):
            assert word in how, f"the cookie lacks {word}: {how}"
        equal(self.aws.request(self.url, headers={"cookie": self.cookie})[0], 200, "the page afterwards")

    def log_in(self, token):
        body = json.dumps({"token": token}).encode()
        return self.aws.asked(f"{self.url}/api/login", "POST", body, {"content-type": "application/json"})

    def sees(self, path, method="GET", value=None):
        """Status and what the page is told."""
        headers = {"cookie": self.cookie, "x-hookwork-inbox": "1", "content-type": "application/json"}
        body = None if value is None else json.dumps(value).encode()
        status, text = self.aws.request(f"{self.url}/api/{path}", method, body, headers)
        return status, json.loads(text) if text else None

    def outcomes(self, delivery):
        """What became of it, attempt by attempt."""
        status, seen = self.sees(f"deliveries/{delivery}")
        return [it["outcome"] for it in seen["attempts"] if it["outcome"] != "queued"] if status == 200 else []


def is_looked_at(stack):
    """The inbox: a delivery and what became of it, once more, and what is at work."""
    visitor = Visitor(stack)
    stack.origin.put("seen.txt", b"seen")
    status, answer = stack.deliver("seen.txt")
    equal(status, 200, f"a delivery was answered {answer}")
    delivery = answer["delivery"]
    wait_for("what became of it is seen", lambda: visitor.outcomes(delivery) == ["copied"])
    status, listed = visitor.sees("deliveries?source=vk&limit=200")
    equal(status, 200, "the list")
    (row,) = [it for it in listed["deliveries"] if it["id"] == delivery]
    equal((row["source"], row["verdict"], row["state"], row["jobs"]), ("vk", "accepted", "done", 1), "its row")
    refused = {it["verdict"] for it in visitor.sees("deliveries?limit=200")[1]["deliveries"]}
    # Handshakes and refusals are deliveries, too.
    assert {"handshake", "unknown"} <= refused or "WorkerName" not in stack.outputs, refused
    status, detail = visitor.sees(f"deliveries/{delivery}")
    assert stack.url_key not in json.dumps(detail), "the key of the URL is shown"
    equal(visitor.sees(f"deliveries/{delivery}/replay", "POST"), (200, {"delivery": delivery, "jobs": 1}), "a replay")
    wait_for("it is done again", lambda: visitor.outcomes(delivery) == ["copied", "unchanged"])
    status, mirror = visitor.sees("mirror")
    equal((status, [it["bucket"] for it in mirror["origins"]]), (200, [f"{PROJECT}/origin"]), "the mirror")
    queued = "WorkerName" in stack.outputs
    equal((mirror["queue"] is not None, mirror["dead_letters"]), (queued, 0 if queued else None), "the queue, as it is seen")
    makes_an_endpoint(stack, visitor)
    equal(visitor.sees("logout", "POST")[0], 204, "logging out")
    if queued:
        stack.settled()


def makes_an_endpoint(stack, visitor):
    """A webhook of one's own: made, used, removed."""
    status, made = visitor.sees("endpoints", "POST", {"name": "try it", "days": 1, "forward": False})
    equal(status, 201, "a new endpoint")
    name, url, token = made["endpoint"]["endpoint"], made["endpoint"]["url"], made["token"]
    equal(url, f"{stack.outputs['HooksUrl'].removesuffix('/hooks')}/in/{name}", "its URL")

    def posted(to, bearer):
        return stack.aws.request(to, "POST", b"hello", {"authorization": f"Bearer {bearer}"})

    status, text = posted(url, token)
    equal((status, json.loads(text).get("recorded")), (200, True), "a delivery to it")
    equal(posted(url, "x" * len(token))[0], 401, "a delivery with another token")
    # The receiver may not list: what is not there reads 403.
    equal(posted(url[:-1] + ("a" if url[-1] != "a" else "b"), token)[0], 404, "a delivery to one that is not there")
    status, listed = visitor.sees(f"deliveries?source=in/{name}")
    equal([it["state"] for it in listed["deliveries"] if it["id"] == json.loads(text)["delivery"]], ["recorded"], "what it recorded")
    equal(visitor.sees(f"endpoints/{name}", "DELETE")[0], 204, "its removal")
    # It is known for ten seconds more.
    wait_for("it is gone", lambda: posted(url, token)[0] == 404)


def buries_what_cannot_be_done(stack):
    stack.sqs.send_message(QueueUrl=stack.outputs["JobQueue"], MessageBody="no job")
    wait_for("a dead letter", lambda: stack.waiting("DeadLetters")[0] == 1)
    (letter,) = stack.sqs.receive_message(QueueUrl=stack.outputs["DeadLetters"], MessageAttributeNames=["All"])["Messages"]
    equal(letter["Body"], "no job", "the dead letter")
    reason = letter["MessageAttributes"]["reason"]["StringValue"]
    assert reason.startswith("this is no job"), reason
    stack.sqs.delete_message(QueueUrl=stack.outputs["DeadLetters"], ReceiptHandle=letter["ReceiptHandle"])
    stack.settled()


def audits_what_no_event_told_of(stack):
    stack.origin.put("lost.txt", b"lost")
    stack.delivered("lost.txt")
    stack.becomes("lost.txt", b"lost")
    stack.origin.remove("lost.txt")
    equal(stack.tell({"hookwork": "audit"}), {"count": 1}, "audits")
    stack.becomes("lost.txt", None)
    stack.settled()


def is_updated_under_load(stack):
    """Deliveries go on while the stack is updated. A sender delivers again what was not answered 200; what was is done."""
    # The emulator kills what is at work when a function changes (AWS lets it end): such jobs come again when the queue's
    # visibility time-out is over, and the template's 90 minutes are longer than this may take.
    stack.sqs.set_queue_attributes(QueueUrl=stack.outputs["JobQueue"], Attributes={"VisibilityTimeout": "10"})
    deploying, refused, sent = threading.Event(), [], []
    deploying.set()

    def sender():
        while deploying.is_set() or len(sent) < 20:
            key, body = f"load/{len(sent)}", secrets.token_bytes(100)
            stack.origin.put(key, body)
            while (answer := stack.deliver(key))[0] != 200:
                refused.append(answer)
                time.sleep(0.2)
            sent.append((key, body))

    thread = threading.Thread(target=sender, daemon=True)
    thread.start()
    try:
        # The clock's own audit comes with it.
        stack.deploy(MemorySize=512, LogLevel="debug", AuditSchedule="rate(1 minute)")
    finally:
        deploying.clear()
        thread.join(60)
    equal(stack.status, "UPDATE_COMPLETE", "the stack")
    worker = stack.aws.client("lambda").get_function_configuration(FunctionName=stack.outputs["WorkerName"])
    equal((worker["MemorySize"], worker["Environment"]["Variables"]["LOG_LEVEL"]), (512, "debug"), "the worker's settings")
    for key, body in sent:
        stack.becomes(key, body)
    stack.settled()
    return f"{len(sent)} deliveries meanwhile, {len(refused)} of them had to be delivered again"


def is_started_by_the_clock(stack):
    stack.origin.remove("load/0")
    stack.becomes("load/0", None, patience=120)
    stack.settled()


def survives_a_kill(stack):
    """The worker dies in the middle of a job; the queue hands the job over again."""
    stack.origin.put("killed.txt", b"killed")
    # An origin that does not answer keeps the worker in the middle.
    os.kill(stack.origin.weed.pid, signal.SIGSTOP)
    try:
        stack.delivered("killed.txt")
        wait_for("the worker has the job", lambda: stack.waiting("JobQueue") == (0, 1))
        wait_for("the worker runs", lambda: stack.aws.processes_of(stack.outputs["WorkerName"]))
        killed = stack.aws.processes_of(stack.outputs["WorkerName"])
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.kill(stack.origin.weed.pid, signal.SIGCONT)
    equal(stack.copy("killed.txt"), None, "the backup when its worker has died")
    stack.becomes("killed.txt", b"killed")
    stack.settled()
    return f"{len(killed)} killed"


def listers(aws):
    """How to see which resources of a kind there are, by their physical ids."""
    of = aws.client

    def pages(service, operation, field, *names):
        found = [it for page in of(service).get_paginator(operation).paginate() for it in page[field]]
        return {it[name] for it in found for name in names}

    return {
        "AWS::ApiGatewayV2::Api": lambda: {it["ApiId"] for it in of("apigatewayv2").get_apis()["Items"]},
        "AWS::CloudWatch::Alarm": lambda: pages("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "AWS::CloudWatch::Dashboard": lambda: {it["DashboardName"] for it in of("cloudwatch").list_dashboards()["DashboardEntries"]},
        "AWS::IAM::ManagedPolicy": lambda: {it["Arn"] for it in of("iam").list_policies(Scope="Local")["Policies"]},
        "AWS::IAM::Role": lambda: pages("iam", "list_roles", "Roles", "RoleName"),
        "AWS::KMS::Key": lambda: {it["KeyId"] for it in of("kms").list_keys()["Keys"] if of("kms").describe_key(KeyId=it["KeyId"])["KeyMetadata"]["KeyState"] != "PendingDeletion"},
        "AWS::Lambda::EventSourceMapping": lambda: pages("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
        "AWS::Lambda::Function": lambda: pages("lambda", "list_functions", "Functions", "FunctionName"),
        "AWS::Logs::LogGroup": lambda: pages("logs", "describe_log_groups", "logGroups", "logGroupName"),
        "AWS::Logs::MetricFilter": lambda: pages("logs", "describe_metric_filters", "metricFilters", "filterName"),
        "AWS::S3::Bucket": lambda: {it["Name"] for it in of("s3").list_buckets()["Buckets"]},
        "AWS::Scheduler::Schedule": lambda: {it[name] for it in of("scheduler").list_schedules()["Schedules"] for name in ("Name", "Arn")},
        "AWS::SecretsManager::Secret": lambda: pages("secretsmanager", "list_secrets", "SecretList", "ARN", "Name"),
        "AWS::SNS::Topic": lambda: pages("sns", "list_topics", "Topics", "TopicArn"),
        "AWS::SNS::Subscription": lambda: pages("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
        "AWS::SQS::Queue": lambda: set(of("sqs").list_queues().get("QueueUrls", [])),
    }


# They are part of another resource, and go with it.
PARTS = {"AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Stage", "AWS::Lambda::Permission"}
PARTS |= {f"AWS::{service}Policy" for service in ("S3::Bucket", "SQS::Queue", "SNS::Topic")}
KEPT = {"BackupBucket", "BackupBucketPolicy"}


def still_there(stack):
    """The resources of the stack that can be found, by their logical names."""
    known = listers(stack.aws)
    kinds = {kind for kind, _ in stack.resources.values()} - PARTS
    assert kinds <= set(known), f"say in listers() how to see {kinds - set(known)}"
    there = {kind: known[kind]() for kind in kinds}
    return {name for name, (kind, id) in stack.resources.items() if kind in there and id in there[kind]}


def is_deleted_but_for_its_backup(stack):
    s3, before, known = stack.s3, stack.origin.content(), still_there(stack)
    whole = {name for name, (kind, _) in stack.resources.items() if kind not in PARTS}
    equal(known, whole, "what there is of the stack before")
    equal(content(s3, stack.backup), before, "the backup before")
    stack.delete()
    equal(still_there(stack), KEPT & whole, "what is left of the stack")
    equal(content(s3, stack.backup), before, "the backup after")
    equal(s3.get_bucket_versioning(Bucket=stack.backup)["Status"], "Enabled", "versions of the backup")
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=stack.backup)["Policy"]
    try:
        stack.aws.client("cloudformation").describe_stacks(StackName=stack.name)
    except ClientError as gone:
        assert "does not exist" in str(gone), gone
    else:
        raise AssertionError("the stack is still described")
    return f"{len(known)} resources of {len({kind for kind, _ in stack.resources.values()} - PARTS)} kinds gone but the backup, its {len(before)} objects untouched"


def works_inline(stack):
    """One function, which works before it answers, on the backup that the other stack has left."""
    origin = stack.origin
    equal(stack.delivered("a.txt"), ["unchanged"], "what the other stack has copied")
    origin.put("inline.txt", b"inline")
    equal(stack.delivered("inline.txt"), ["copied"], "outcomes")
    equal(stack.copy("inline.txt"), b"inline", "the backup")
    origin.remove("inline.txt")
    equal(stack.delivered(("inline.txt", "s3:ObjectRemoved:Delete")), ["deleted"], "outcomes")
    equal(stack.copy("inline.txt"), None, "the backup")


def inline_is_deleted(stack):
    before = content(stack.s3, stack.backup)
    stack.delete()
    equal(still_there(stack), set(), "what is left of the stack")
    equal(content(stack.s3, stack.backup), before, "the backup")


def do(it, stack):
    step(it.__name__.replace("_", " "))
    told = it(stack)
    if told:
        step(f"    {told}")


def run(aws, origin):
    template, left_out = for_ministack()
    step(f"left out for the emulator: {', '.join(left_out) or 'nothing'}")
    queued = Stack(aws, origin, "hookwork-e2e", template)
    step("sam deploy, Processing=queue")
    queued.deploy(Processing="queue")
    equal(queued.status, "CREATE_COMPLETE", "the stack")
    for it in [
        says_who_it_is,
        refuses_until_it_has_its_secrets,
        takes_its_secrets,
        keeps_each_secret_from_who_does_not_need_it,
        shakes_hands,
        refuses_forgeries,
        hands_on_what_is_signed,
        copies_and_removes,
        carries_a_large_object,
        is_looked_at,
        buries_what_cannot_be_done,
        audits_what_no_event_told_of,
        is_updated_under_load,
        is_started_by_the_clock,
        survives_a_kill,
        is_deleted_but_for_its_backup,
    ]:
        do(it, queued)
    inline = Stack(aws, origin, "hookwork-e2e-inline", template)
    step("sam deploy, Processing=inline, into the same backup")
    inline.deploy(Processing="inline", BackupBucketName=queued.backup)
    for it in [says_who_it_is, takes_its_secrets, shakes_hands, works_inline, is_looked_at, inline_is_deleted]:
        do(it, inline)


def main():
    ministack = pathlib.Path(sys.argv[1]).absolute()
    assert (BUILT / "Receiver/bootstrap").is_file(), "not built: sam build --parameter-overrides Architecture=x86_64"

    def out_of_time(*_):
        raise TimeoutError(f"not through within {LIMIT} s")

    # However it is ended, what it has started ends too.
    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    signal.alarm(LIMIT)
    with tempfile.TemporaryDirectory(prefix="hookwork-e2e-") as folder:
        folder = pathlib.Path(folder)
        origin = aws = None
        try:
            origin = Origin(folder)
            aws = Aws(ministack, folder, origin.ca)
            step("an origin and an AWS are there")
            run(aws, origin)
        except BaseException as error:
            with contextlib.suppress(Exception):
                print(aws.said(), file=sys.stderr)
            sys.exit(f"\nFAILED: {error if str(error) else repr(error)}")
        finally:
            signal.alarm(0)
            for it in (aws, origin and origin.weed):
                if it:
                    it.stop()
    step("all of it is right")


if __name__ == "__main__":
    main()
