#!/usr/bin/env python3
"""What template.yaml promises, one test for each property; and that events/ says what the senders say.

    .venv/bin/python tests/template.py

Two views of the template: as it is written, and as CloudFormation gets it once SAM has translated it, since SAM adds
roles, permissions and stages of its own.
"""

import base64
import hashlib
import hmac
import importlib.util
import itertools
import json
import os
import pathlib
import re
import sys
import tomllib
import unittest

from cfnlint.decode import decode
from samtranslator.translator.transform import transform

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
# The translator reads a region from the environment; it calls nobody.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

# The function's environment, as README lists it, and no more: every name is one that this version of the function knows.
SUPPORTED = {"SOURCES", "SECRETS_ARN", "BACKUP_BUCKET", "STATE_BUCKET", "SNS_TOPIC_ARN", "QUEUE_URL", "DEAD_LETTERS_URL", "RECORD", "LOG_LEVEL", "BACKUP_REGION", "BACKUP_SSE", "BACKUP_SSE_KEY"}
# Declared for `sam local` alone, which passes on only declared names; absent from a deployed function.
LOCAL_ONLY = {"SECRETS", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SNS"}
NO_VALUE = {"Ref": "AWS::NoValue"}


def plain(node):
    """cfn-lint's nodes as ordinary dicts and lists, which the translator may change."""
    return json.loads(json.dumps(node))


def load():
    template, problems = decode(str(ROOT / "template.yaml"))
    assert not problems, problems
    return plain(template)


class NoManagedPolicies:
    """The translator asks it for AWS's managed policies by name; there is none to ask for here."""

    def load(self):
        return {}


def translated():
    """As CloudFormation gets it, after the packaging that puts the artefact into a bucket."""
    template = load()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://artefacts/hookwork"
    return transform(template, {"Sources": "{}"}, NoManagedPolicies())


TEMPLATE = load()
TRANSLATED = translated()


def walk(node, path=()):
    """Every node below, with the keys that lead to it."""
    yield path, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, (*path, index))


def as_list(value):
    return value if isinstance(value, list) else [value]


def of_type(kind, template=TEMPLATE):
    return {name: it for name, it in template["Resources"].items() if it["Type"] == kind}


def the(kind):
    found = list(of_type(kind).values())
    assert len(found) == 1, f"{len(found)} resources of type {kind}"
    return found[0]


def statements_of(role):
    """Every statement of a role's own policies."""
    for policy in TRANSLATED["Resources"][role]["Properties"].get("Policies", []):
        policy = policy.get("Fn::If", [None, policy])[1]
        yield from policy["PolicyDocument"]["Statement"]


def statements():
    """Every statement that allows something, of all roles."""
    for role in of_type("AWS::IAM::Role", TRANSLATED):
        yield from statements_of(role)
    for policy in of_type("AWS::IAM::ManagedPolicy", TRANSLATED).values():
        yield from policy["Properties"]["PolicyDocument"]["Statement"]


def statement(sid):
    return next(it for it in statements() if it["Sid"] == sid)


# Every secret, and whether the stack makes it where there is a function to read it.
SECRET_IS_MADE = {"Secrets": "MakesSecret", "WorkerSecrets": "NoWorkerSecretsArn", "InboxSecrets": "NoInboxSecretsArn"}
# Each of them is made or given, whatever the others are.
MADE = [set(made) for count in range(4) for made in itertools.combinations(SECRET_IS_MADE, count)]


def read(node, made):
    """The secrets that a setting or a policy names, where the stack makes these and the others are given."""
    if isinstance(node, list):
        return [one for it in node for one in read(it, made)]
    if "Fn::If" in node:
        condition, one, other = node["Fn::If"]
        (name,) = [name for name, is_made in SECRET_IS_MADE.items() if is_made == condition]
        return read(one if name in made else other, made)
    if "Fn::Join" in node or "Fn::Split" in node:
        ((comma, several),) = node.values()
        assert comma == ",", comma
        return read(several, made)
    return [node["Ref"]]


def named(secrets, made):
    return [name if name in made else f"{name}Arn" for name in secrets]


def strings(node):
    return [it for _, it in walk(node) if isinstance(it, str)]


# The function that works: without a queue the receiver does.
WORKING = {"Fn::If": ["Queued", {"Ref": "Worker"}, {"Ref": "Receiver"}]}
# What the function counts, as it says itself.
CODE = (ROOT / "src/metrics.rs").read_text()
(NAMESPACE,) = re.findall(r'NAMESPACE: &str = "(\w+)"', CODE)
METRICS = re.findall(r'^    \("(\w+)", [A-Z]+\),$', CODE, re.M)


def resolved(node, queued):
    """A text as CloudFormation makes it in this mode; what a resource is called is its logical id."""
    if isinstance(node, str):
        node = {"Fn::Sub": [node, {}]}
    if "Fn::If" in node:
        condition, one, other = node["Fn::If"]
        assert condition == "Queued", condition
        return resolved(one if queued else other, queued)
    if "Ref" in node:
        return node["Ref"]
    text, values = node["Fn::Sub"] if isinstance(node["Fn::Sub"], list) else (node["Fn::Sub"], {})

    def value(found):
        name = found[1]
        if name.startswith("!"):
            return "${%s}" % name[1:]
        if name in values:
            return resolved(values[name], queued)
        resource = TEMPLATE["Resources"].get(name.split(".")[0])
        assert name.startswith("AWS::") or resource, name
        assert not resource or queued or resource.get("Condition") != "Queued", f"{name} is not there"
        return name.split(".")[0]

    return re.sub(r"\$\{([^}]*)\}", value, text)


class Permissions(unittest.TestCase):
    def test_the_only_roles_and_policies_are_those_written_here(self):
        self.assertEqual(set(of_type("AWS::IAM::Role", TRANSLATED)), {"ReceiverRole", "WorkerRole", "InboxRole", "AuditRole", "RedriveRole"})
        self.assertEqual(set(of_type("AWS::IAM::ManagedPolicy", TRANSLATED)), {"WorkPolicy"})
        self.assertFalse(of_type("AWS::IAM::Policy", TRANSLATED))

    def test_the_work_policy_is_the_workers_and_the_receivers_only_without_a_queue(self):
        roles = of_type("AWS::IAM::Role", TRANSLATED)
        work = [{"Ref": "WorkPolicy"}]
        self.assertEqual(roles["WorkerRole"]["Properties"]["ManagedPolicyArns"], work)
        self.assertEqual(roles["ReceiverRole"]["Properties"]["ManagedPolicyArns"], {"Fn::If": ["Inline", work, NO_VALUE]})
        self.assertNotIn("ManagedPolicyArns", roles["InboxRole"]["Properties"])

    def test_only_lambda_takes_the_functions_roles_and_only_this_accounts_scheduler_the_clocks(self):
        for name, role in of_type("AWS::IAM::Role").items():
            (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            clock = name in ("AuditRole", "RedriveRole")
            self.assertEqual(trust["Principal"], {"Service": "scheduler.amazonaws.com" if clock else "lambda.amazonaws.com"})
            self.assertEqual("Condition" in trust, clock)

    def test_no_action_has_a_wildcard(self):
        for it in statements():
            for action in as_list(it["Action"]):
                self.assertNotIn("*", action)
            self.assertNotIn("NotAction", it)

    def test_every_resource_is_one_of_this_stack_or_of_a_parameter(self):
        for it in statements():
            self.assertNotIn("NotResource", it)
            if it["Sid"] == "WriteTraces":
                # X-Ray's Put* know no narrower one.
                self.assertEqual((it["Resource"], set(it["Action"])), ("*", {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}))
                continue
            self.assertNotIn("*", as_list(it["Resource"]), it["Sid"])
            # A bucket's objects are the only wildcard, behind the bucket's own ARN; a parameter's pattern takes no star.
            for text in strings(it["Resource"]):
                if "*" in text:
                    self.assertNotEqual(it["Action"], "s3:ListBucket")
                    self.assertTrue(all(action.startswith("s3:") for action in as_list(it["Action"])), it["Sid"])
                    if it["Effect"] == "Deny":
                        continue
                    self.assertRegex(text, r"^(\$\{BackupBucket\.Arn\}|arn:\$\{AWS::Partition\}:s3:::\$\{BackupBucketName\}|\$\{StateBucket\.Arn\}/(uploads|audits|deliveries|strangers|done|summaries|endpoints)(/\*/(approved|decided|held))?)/\*$")

    def test_no_versions_can_be_deleted(self):
        for it in statements():
            self.assertNotIn("s3:DeleteObjectVersion", it["Action"])
            self.assertFalse([action for action in as_list(it["Action"]) if action.startswith(("s3:PutLifecycle", "s3:PutBucket", "s3:DeleteBucket"))])

    def test_the_mirror_has_exactly_what_it_uses(self):
        self.assertEqual(
            set(statement("MirrorObjects")["Action"]),
            {
                "s3:GetObject",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
                "s3:GetObjectTagging",
                "s3:PutObjectTagging",
            },
        )

    def test_a_missing_key_reads_404_because_the_bucket_may_be_listed(self):
        it = statement("TellMissingFromForbidden")
        self.assertEqual(it["Action"], ["s3:ListBucket", "s3:ListBucketMultipartUploads"])
        self.assertFalse([text for text in strings(it["Resource"]) if "/*" in text])

    def test_ledgers_and_audits_are_removed_when_they_are_done(self):
        self.assertEqual(set(statement("KeepState")["Action"]), {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"})
        self.assertEqual(statement("KeepState")["Resource"], [{"Fn::Sub": "${StateBucket.Arn}/%s/*" % folder} for folder in ("uploads", "audits")])
        self.assertEqual(statement("TellMissingStateFromForbidden")["Action"], "s3:ListBucket")

    def test_what_arrived_and_was_done_is_kept_and_never_removed_by_the_function(self):
        it = statement("KnowDeliveriesAgain")
        self.assertEqual(it["Action"], ["s3:GetObject", "s3:PutObject"])
        self.assertEqual(it["Resource"], [{"Fn::Sub": "${StateBucket.Arn}/%s/*" % folder} for folder in ("deliveries", "strangers", "done", "summaries")])

    def test_the_clock_starts_the_function_that_works_and_no_more(self):
        working = {"Fn::If": ["Queued", {"Fn::GetAtt": ["Worker", "Arn"]}, {"Fn::GetAtt": ["Receiver", "Arn"]}]}
        self.assertEqual(self.actions("AuditRole"), {"lambda:InvokeFunction", "sqs:SendMessage"})
        self.assertEqual(statement("StartAudits")["Resource"], working)
        self.assertEqual(TEMPLATE["Resources"]["Audit"]["Properties"]["Target"]["Arn"], working)
        self.assertEqual(self.actions("RedriveRole"), {"lambda:InvokeFunction"})
        worker = {"Fn::GetAtt": ["Worker", "Arn"]}
        self.assertEqual(statement("StartRedrives")["Resource"], worker)
        self.assertEqual(TEMPLATE["Resources"]["Redrive"]["Properties"]["Target"]["Arn"], worker)

    def actions(self, role):
        return {action for it in statements_of(role) for action in as_list(it["Action"]) if not action.startswith(("s3:", "xray:"))}

    def test_behind_a_queue_the_receiver_only_sends_keeps_reads_its_secrets_and_logs(self):
        self.assertEqual(
            self.actions("ReceiverRole"),
            {"sqs:SendMessage", "secretsmanager:GetSecretValue", "logs:CreateLogStream", "logs:PutLogEvents", "kms:Decrypt", "kms:GenerateDataKey"},
        )
        self.assertEqual(
            self.of_buckets("ReceiverRole"),
            {("s3:PutObject", "${StateBucket.Arn}/deliveries/*"), ("s3:PutObject", "${StateBucket.Arn}/strangers/*"), ("s3:GetObject", "${StateBucket.Arn}/endpoints/*")},
        )
        self.assertEqual(statement("SendJobs")["Resource"], {"Fn::GetAtt": ["JobQueue", "Arn"]})

    def of_buckets(self, role):
        """What a role may do with buckets: action and place."""
        buckets = [it for it in statements_of(role) if it["Effect"] == "Allow" and "s3:" in json.dumps(it["Action"])]
        return {(action, place) for it in buckets for action in as_list(it["Action"]) for place in strings(it["Resource"])}

    def test_without_a_queue_the_receiver_keeps_endpoints_beside_what_the_work_needs(self):
        (policy,) = [it["Fn::If"] for it in TEMPLATE["Resources"]["ReceiverRole"]["Properties"]["Policies"] if it.get("Fn::If", [None])[0] == "Queued"]
        (it,) = policy[2]["PolicyDocument"]["Statement"]
        self.assertEqual(it["Action"], ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
        self.assertEqual(it["Resource"], {"Fn::Sub": "${StateBucket.Arn}/endpoints/*"})
        # The rest of what the inbox needs is in the policy of the work.
        self.assertIn({"Fn::Sub": "${StateBucket.Arn}/audits/*"}, statement("KeepState")["Resource"])
        self.assertIn({"Fn::Sub": "${StateBucket.Arn}/deliveries/*"}, statement("KnowDeliveriesAgain")["Resource"])
        self.assertIn({"Fn::Sub": "${StateBucket.Arn}/strangers/*"}, statement("KnowDeliveriesAgain")["Resource"])
        self.assertEqual(statement("TellMissingStateFromForbidden")["Resource"], {"Fn::GetAtt": ["StateBucket", "Arn"]})

    def test_who_looks_reads_what_is_kept_sends_jobs_and_touches_no_backup_no_topic_and_no_dead_letter(self):
        self.assertEqual(
            self.actions("InboxRole"),
            {"sqs:SendMessage", "sqs:GetQueueAttributes", "secretsmanager:GetSecretValue", "logs:CreateLogStream", "logs:PutLogEvents", "kms:Decrypt"},
        )
        folders = {"deliveries": ("Get", "Put"), "strangers": ("Get",), "endpoints": ("Get", "Put", "Delete"), "audits": ("Get", "Delete")}
        expected = {(f"s3:{action}Object", "${StateBucket.Arn}/%s/*" % folder) for folder, actions in folders.items() for action in actions}
        # What it decides on removals, and nothing of what audits have found.
        decides = {("s3:PutObject", "${StateBucket.Arn}/audits/*/%s" % what) for what in ("approved/*", "decided/*", "held/*")}
        self.assertEqual(self.of_buckets("InboxRole"), expected | decides | {("s3:ListBucket", "StateBucket"), ("s3:ListBucket", "Arn")})
        self.assertEqual(statement("SendJobsAgain")["Resource"], {"Fn::GetAtt": ["JobQueue", "Arn"]})
        self.assertEqual(statement("CountJobs")["Resource"], [{"Fn::GetAtt": ["JobQueue", "Arn"]}, {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}])

    def test_who_looks_is_told_of_a_missing_key_because_no_condition_narrows_the_list(self):
        self.assertEqual(statement("ListState"), {"Sid": "ListState", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": {"Fn::GetAtt": ["StateBucket", "Arn"]}})

    def test_the_worker_works_off_its_queue_and_no_more(self):
        self.assertEqual(
            self.actions("WorkerRole"),
            {
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
                "sqs:SendMessage",
                "secretsmanager:GetSecretValue",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "kms:Decrypt",
                "kms:GenerateDataKey",
            },
        )
        self.assertEqual(statement("WorkOffJobs")["Resource"], {"Fn::GetAtt": ["JobQueue", "Arn"]})
        self.assertEqual(statement("BuryJobs"), {"Sid": "BuryJobs", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}})
        back = {"Sid": "BringJobsBack", "Effect": "Allow", "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], "Resource": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}}
        self.assertEqual(statement("BringJobsBack"), back)
        self.assertEqual(statement("PublishNotices")["Action"], "sns:Publish")

    def test_each_role_logs_into_its_own_group(self):
        for sid, group in (("WriteLogs", "ReceiverLogGroup"), ("WriteWorkerLogs", "WorkerLogGroup"), ("WriteInboxLogs", "InboxLogGroup")):
            self.assertEqual(statement(sid)["Resource"], {"Fn::GetAtt": [group, "Arn"]})

    def test_keys_are_used_only_through_the_services_that_need_them(self):
        secrets = "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"
        s3 = {"Fn::If": ["HasBackupRegion", {"Fn::Sub": "s3.${BackupRegion}.${AWS::URLSuffix}"}, {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}]}
        known = {"ReadSecretsWithTheirKeys": ("kms:Decrypt", {"Fn::Sub": secrets}), "UseTheBackupsKey": (["kms:Decrypt", "kms:GenerateDataKey"], s3)}
        found = [it for it in statements() if it.get("Effect") == "Allow" and "kms:" in json.dumps(it["Action"])]
        self.assertEqual(sorted(it["Sid"] for it in found), ["ReadSecretsWithTheirKeys"] * 3 + ["UseTheBackupsKey"] * 2)
        for it in found:
            action, service = known[it["Sid"]]
            self.assertEqual(it["Resource"], {"Fn::Split": [",", {"Ref": "KmsKeyArns"}]})
            self.assertEqual((it["Action"], it["Condition"]), (action, {"StringEquals": {"kms:ViaService": service}}))

    def test_the_backups_key_is_for_who_works_alone(self):
        def with_it(role):
            return [it for it in TEMPLATE["Resources"][role]["Properties"]["Policies"] if "UseTheBackupsKey" in json.dumps(it)]

        self.assertEqual(with_it("InboxRole"), [])
        self.assertEqual(len(with_it("WorkerRole")), 1)
        # The receiver has it only where it does the work itself.
        (policy,) = with_it("ReceiverRole")
        self.assertEqual(policy["Fn::If"][0], "HasInlineKmsKeys")
        self.assertEqual(TEMPLATE["Conditions"]["HasInlineKmsKeys"], {"Fn::And": [{"Condition": "Inline"}, {"Condition": "HasKmsKeys"}]})

    def test_nothing_is_written_without_a_condition(self):
        """S3 refuses each write of a role that may write and names neither what it replaces nor that there is nothing."""
        backup = {"Fn::If": ["MakesBackupBucket", {"Fn::Sub": "${BackupBucket.Arn}/*"}, {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BackupBucketName}/*"}]}
        state = {"Fn::Sub": "${StateBucket.Arn}/*"}
        # An upload is opened, and its parts are sent, without one: it counts when the object is made of them.
        condition = {"Null": {"s3:if-match": "true", "s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
        denied = [it for it in statements() if it["Sid"] == "WriteOnlyOnACondition"]
        self.assertEqual([it["Resource"] for it in denied if isinstance(it["Resource"], list)], [[backup, state]])
        self.assertEqual([it["Resource"] for it in denied if not isinstance(it["Resource"], list)], [state] * 2)
        for it in denied:
            self.assertEqual((it["Effect"], it["Action"], it["Condition"]), ("Deny", "s3:PutObject", condition))
        # Wherever a role may write, in the policy itself or in that of the work, which the worker has, and the receiver without a queue.
        work = TEMPLATE["Resources"]["WorkPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        for role in ("ReceiverRole", "WorkerRole", "InboxRole"):
            it = TEMPLATE["Resources"][role]["Properties"]
            self.assertTrue("WriteOnlyOnACondition" in json.dumps(it["Policies"]) or it["ManagedPolicyArns"] == [{"Ref": "WorkPolicy"}], role)
        self.assertIn("WriteOnlyOnACondition", json.dumps(work))

    def test_the_api_alone_may_invoke_the_receiver_and_below_inbox_the_inbox_and_nobody_the_worker(self):
        api, found = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/${__Stage__}", set()
        for permission in of_type("AWS::Lambda::Permission", TRANSLATED).values():
            it = permission["Properties"]
            self.assertEqual((it["Action"], it["Principal"]), ("lambda:InvokeFunction", "apigateway.amazonaws.com"))
            text, values = it["SourceArn"]["Fn::Sub"]
            self.assertEqual(values["__ApiId__"], {"Ref": "HttpApi"})
            found.add((it["FunctionName"]["Ref"], text.removeprefix(api), permission.get("Condition")))
        self.assertEqual(found, {("Receiver", "/*", None), ("Inbox", "/*/inbox", "Queued"), ("Inbox", "/*/inbox/*", "Queued")})
        self.assertEqual([event["Type"] for event in TEMPLATE["Resources"]["Worker"]["Properties"]["Events"].values()], ["SQS"])


class Function:
    """What each function of the stack must be: `name` is its logical id."""

    @property
    def properties(self):
        return TEMPLATE["Resources"][self.name]["Properties"]

    def test_is_built_by_cargo_lambda_from_the_binary_hookwork(self):
        metadata = TEMPLATE["Resources"][self.name]["Metadata"]
        self.assertEqual(metadata, {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": "hookwork"}})
        self.assertEqual(self.properties["Runtime"], "provided.al2023")

    def test_architecture_is_x86_64_by_default_and_arm64_by_parameter(self):
        self.assertEqual(self.properties["Architectures"], [{"Ref": "Architecture"}])
        self.assertEqual(TEMPLATE["Parameters"]["Architecture"]["Default"], "x86_64")
        self.assertEqual(set(TEMPLATE["Parameters"]["Architecture"]["AllowedValues"]), {"x86_64", "arm64"})

    def test_memory_is_set_by_a_parameter_with_a_default(self):
        self.assertEqual(self.properties["MemorySize"], {"Ref": "MemorySize"})
        self.assertGreaterEqual(TEMPLATE["Parameters"]["MemorySize"]["Default"], 128)

    def test_environment_has_only_names_that_the_function_knows(self):
        variables = self.properties["Environment"]["Variables"]
        self.assertEqual({name for name, value in variables.items() if value != NO_VALUE}, SUPPORTED - self.without)
        self.assertNotIn("Environment", TEMPLATE.get("Globals", {}).get("Function", {}))

    def test_is_traced(self):
        self.assertEqual(self.properties["Tracing"], "Active")
        self.assertIn("WriteTraces", [it["Sid"] for it in statements_of(f"{self.name}Role")])

    def test_logs_are_json_in_the_declared_group_at_the_chosen_level(self):
        logging = self.properties["LoggingConfig"]
        self.assertEqual(logging["LogFormat"], "JSON")
        self.assertEqual(logging["LogGroup"], {"Ref": f"{self.name}LogGroup"})
        levels = TEMPLATE["Mappings"]["LogLevels"]
        self.assertEqual(set(levels), set(TEMPLATE["Parameters"]["LogLevel"]["AllowedValues"]))
        for ours, theirs in levels.items():
            self.assertEqual(theirs["Lambda"], ours.upper())


def integrations():
    """What every route calls, as CloudFormation gets it."""
    (api,) = of_type("AWS::ApiGatewayV2::Api", TRANSLATED).values()
    return [it for path, it in walk(api["Properties"]["Body"]["paths"]) if path and path[-1] == "x-amazon-apigateway-integration"]


class Receiver(Function, unittest.TestCase):
    name = "Receiver"
    # A receiver buries nothing: what it cannot send has failed, and the sender is told so.
    without = {"DEAD_LETTERS_URL"}

    def test_timeout_is_the_apis_behind_a_queue_and_never_shorter(self):
        self.assertEqual(self.properties["Timeout"], {"Fn::If": ["Queued", 30, {"Ref": "Timeout"}]})
        for it in integrations():
            self.assertLessEqual(it["timeoutInMillis"], 30_000)
            self.assertLessEqual(it["timeoutInMillis"], TEMPLATE["Parameters"]["Timeout"]["MinValue"] * 1000)

    def test_reserved_concurrency_is_a_choice(self):
        self.assertEqual(TEMPLATE["Parameters"]["ReservedConcurrency"]["Default"], "")
        self.assertEqual(self.properties["ReservedConcurrentExecutions"]["Fn::If"][2], NO_VALUE)

    def test_has_a_queue_only_where_there_is_one(self):
        self.assertEqual(self.properties["Environment"]["Variables"]["QUEUE_URL"], {"Fn::If": ["Queued", {"Ref": "JobQueue"}, NO_VALUE]})

    def test_what_is_declared_for_sam_local_has_no_value_in_aws(self):
        variables = self.properties["Environment"]["Variables"]
        self.assertEqual({name for name, value in variables.items() if value == NO_VALUE}, LOCAL_ONLY)


class Worker(Function, unittest.TestCase):
    name = "Worker"
    without = set()

    def test_is_there_only_with_a_queue_which_is_the_default(self):
        self.assertEqual(TEMPLATE["Resources"]["Worker"]["Condition"], "Queued")
        self.assertEqual(TEMPLATE["Conditions"]["Queued"], {"Fn::Equals": [{"Ref": "Processing"}, "queue"]})
        self.assertEqual(TEMPLATE["Parameters"]["Processing"]["Default"], "queue")

    def test_has_the_time_of_the_parameter(self):
        self.assertEqual(self.properties["Timeout"], {"Ref": "Timeout"})
        self.assertEqual(TEMPLATE["Parameters"]["Timeout"]["Default"], 900)

    def test_sam_builds_it_from_what_the_receiver_is_built_from(self):
        for key in ("CodeUri", "Handler", "Runtime", "Architectures"):
            self.assertEqual(self.properties[key], TEMPLATE["Resources"]["Receiver"]["Properties"][key])

    def test_fails_message_by_message_and_at_most_so_many_at_a_time(self):
        event = self.properties["Events"]["Jobs"]["Properties"]
        self.assertEqual(event["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertEqual(event["ScalingConfig"], {"MaximumConcurrency": {"Ref": "WorkerConcurrency"}})
        self.assertGreaterEqual(TEMPLATE["Parameters"]["WorkerConcurrency"]["MinValue"], 2)

    def test_may_go_on_with_its_own_messages(self):
        self.assertEqual(self.properties["RecursiveLoop"], "Allow")
        (function,) = [it for name, it in of_type("AWS::Lambda::Function", TRANSLATED).items() if name == "Worker"]
        self.assertEqual(function["Properties"]["RecursiveLoop"], "Allow")


class Inbox(Function, unittest.TestCase):
    name = "Inbox"
    without = set()

    def test_is_there_only_with_a_queue(self):
        for name in ("Inbox", "InboxRole", "InboxLogGroup"):
            self.assertEqual(TEMPLATE["Resources"][name]["Condition"], "Queued")

    def test_sam_builds_it_from_what_the_receiver_is_built_from(self):
        for key in ("CodeUri", "Handler", "Runtime", "Architectures"):
            self.assertEqual(self.properties[key], TEMPLATE["Resources"]["Receiver"]["Properties"][key])

    def test_has_the_time_that_the_api_waits(self):
        self.assertEqual(self.properties["Timeout"], 30)

    def test_knows_what_the_receiver_knows_and_where_dead_letters_are(self):
        mine = self.properties["Environment"]["Variables"]
        receivers = {name: value for name, value in TEMPLATE["Resources"]["Receiver"]["Properties"]["Environment"]["Variables"].items() if value != NO_VALUE}
        # Its secrets are looked at with those of the others.
        self.assertEqual(mine, receivers | {"SECRETS_ARN": mine["SECRETS_ARN"], "QUEUE_URL": {"Ref": "JobQueue"}, "DEAD_LETTERS_URL": {"Ref": "DeadLetterQueue"}})

    def test_all_functions_record_alike(self):
        for name in of_type("AWS::Serverless::Function"):
            self.assertEqual(TEMPLATE["Resources"][name]["Properties"]["Environment"]["Variables"]["RECORD"], {"Ref": "Record"})
        self.assertEqual((TEMPLATE["Parameters"]["Record"]["Default"], TEMPLATE["Parameters"]["Record"]["AllowedValues"]), ("all", ["all", "failures", "nothing"]))


class Queues(unittest.TestCase):
    jobs = TEMPLATE["Resources"]["JobQueue"]["Properties"]
    dead = TEMPLATE["Resources"]["DeadLetterQueue"]["Properties"]

    def test_a_job_is_hidden_six_times_as_long_as_the_worker_may_take(self):
        self.assertGreaterEqual(self.jobs["VisibilityTimeout"], 6 * TEMPLATE["Parameters"]["Timeout"]["MaxValue"])

    def test_what_kills_the_worker_becomes_a_dead_letter_after_the_workers_own_attempts(self):
        redrive = self.jobs["RedrivePolicy"]
        self.assertEqual(redrive["deadLetterTargetArn"], {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
        code = (ROOT / "src/app/queue.rs").read_text()
        (attempts,) = re.findall(r"^const ATTEMPTS: u32 = (\d+);", code, re.M)
        (down,) = re.findall(r"^const ATTEMPTS_WHILE_DOWN: u32 = (\d+);", code, re.M)
        self.assertGreaterEqual(int(attempts), 5)
        # Some more, for workers that die meanwhile.
        self.assertGreater(redrive["maxReceiveCount"], int(down) + 5)

    def test_a_job_that_waits_for_a_service_waits_less_than_one_whose_worker_died_and_is_kept_long_enough(self):
        code = (ROOT / "src/app/queue.rs").read_text()
        (longest,) = re.findall(r"^const LONGEST_WAIT: Duration = Duration::from_secs\((\d+)\);", code, re.M)
        self.assertLess(int(longest), self.jobs["VisibilityTimeout"])
        worst = self.jobs["RedrivePolicy"]["maxReceiveCount"] * self.jobs["VisibilityTimeout"]
        self.assertLess(worst, self.jobs["MessageRetentionPeriod"])

    def test_dead_letters_are_looked_through_several_times_an_hour(self):
        redrive = TEMPLATE["Resources"]["Redrive"]
        self.assertEqual(redrive["Condition"], "Queued")
        (minutes,) = re.findall(r"^rate\((\d+) minutes\)$", redrive["Properties"]["ScheduleExpression"])
        self.assertLessEqual(int(minutes), 20)
        self.assertEqual(json.loads(redrive["Properties"]["Target"]["Input"]), {"hookwork": "redrive"})

    def test_dead_letters_are_kept_for_fourteen_days(self):
        self.assertEqual(self.dead["MessageRetentionPeriod"], 14 * 24 * 3600)
        self.assertNotIn("RedrivePolicy", self.dead)

    def test_all_are_encrypted_and_answer_only_over_tls(self):
        queues = of_type("AWS::SQS::Queue")
        for queue in queues.values():
            self.assertTrue(queue["Properties"]["SqsManagedSseEnabled"])
        closed = []
        for policy in of_type("AWS::SQS::QueuePolicy").values():
            (it,) = policy["Properties"]["PolicyDocument"]["Statement"]
            self.assertEqual((it["Effect"], it["Principal"], it["Action"]), ("Deny", "*", "sqs:*"))
            self.assertEqual(it["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
            names = [queue["Ref"] for queue in policy["Properties"]["Queues"]]
            self.assertEqual(as_list(it["Resource"]), [{"Fn::GetAtt": [name, "Arn"]} for name in names])
            closed += names
        self.assertEqual(set(closed), set(queues))

    def test_an_audit_that_cannot_be_started_is_kept_for_fourteen_days(self):
        target = TEMPLATE["Resources"]["Audit"]["Properties"]["Target"]
        self.assertEqual(target["DeadLetterConfig"], {"Arn": {"Fn::GetAtt": ["AuditDeadLetterQueue", "Arn"]}})
        self.assertEqual(TEMPLATE["Resources"]["AuditDeadLetterQueue"]["Properties"]["MessageRetentionPeriod"], 14 * 24 * 3600)
        self.assertEqual(json.loads(target["Input"]), {"hookwork": "audit"})

    def test_are_there_only_with_a_queue(self):
        for name, it in TEMPLATE["Resources"].items():
            if name in ("JobQueue", "DeadLetterQueue", "QueuePolicy") or name.startswith(("Worker", "Inbox")):
                self.assertIn(it["Condition"], ("Queued", "MakesWorkerSecret", "MakesInboxSecret"), name)


class Secrets(unittest.TestCase):
    secrets = of_type("AWS::SecretsManager::Secret")

    def test_each_function_has_its_own(self):
        self.assertEqual(set(self.secrets), {"Secrets", "WorkerSecrets", "InboxSecrets"})
        for name, is_made in SECRET_IS_MADE.items():
            self.assertEqual(TEMPLATE["Conditions"][is_made], {"Fn::Equals": [{"Ref": f"{name}Arn"}, ""]})
            condition = self.secrets[name]["Condition"]
            if name != "Secrets":
                self.assertEqual(TEMPLATE["Conditions"][condition], {"Fn::And": [{"Condition": "Queued"}, {"Condition": is_made}]})
            else:
                self.assertEqual(condition, is_made)

    def test_a_secret_starts_without_a_value(self):
        for it in self.secrets.values():
            self.assertFalse({"SecretString", "GenerateSecretString"} & set(it["Properties"]))

    def test_no_parameter_takes_a_secret(self):
        for name, parameter in TEMPLATE["Parameters"].items():
            self.assertNotRegex(name, r"(?i)password|token|secret(?!sarn)|access_?key", name)
            self.assertNotIn("NoEcho", parameter, "a parameter to be hidden is a secret in the wrong place")

    def test_no_secret_is_resolved_into_the_template(self):
        self.assertFalse([text for text in strings(TEMPLATE) if "{{resolve:" in text])

    # Who reads what, in the order in which it counts: of two tokens of the inbox the one that it alone may read.
    readers = {"Receiver": ["Secrets"], "Worker": ["WorkerSecrets"], "Inbox": ["InboxSecrets", "Secrets"]}

    def test_the_environment_names_the_secrets_and_not_their_values(self):
        for made in MADE:
            for function, secrets in self.readers.items():
                value = TEMPLATE["Resources"][function]["Properties"]["Environment"]["Variables"]["SECRETS_ARN"]
                self.assertEqual(read(value, made), named(secrets, made), function)

    def test_each_role_reads_only_its_functions_secrets_made_by_the_stack_or_given(self):
        """So neither receiver nor worker reads the inbox's, and the inbox reads it and the receiver's."""
        roles = {f"{function}Role": secrets for function, secrets in self.readers.items()}
        for made in MADE:
            for role in of_type("AWS::IAM::Role", TRANSLATED):
                self.assertEqual(self.readable(role, made), sorted(named(roles.get(role, []), made)), role)
        self.assertFalse(of_type("AWS::SecretsManager::ResourcePolicy", TRANSLATED))

    def readable(self, role, made):
        """The secrets that a role may read, by its own policies in every mode and by those that it shares."""
        shared = of_type("AWS::IAM::ManagedPolicy", TRANSLATED)
        granted = [TRANSLATED["Resources"][role], *(it for name, it in shared.items() if name in strings(TRANSLATED["Resources"][role]))]
        found = []
        for _, it in walk(granted):
            if isinstance(it, dict) and "Effect" in it:
                actions = [action for action in as_list(it["Action"]) if action.lower().startswith(("secretsmanager:", "*"))]
                if actions:
                    self.assertEqual((it["Effect"], actions), ("Allow", ["secretsmanager:GetSecretValue"]))
                    found += read(it["Resource"], made)
        return sorted(found)

    def test_without_a_queue_there_is_nothing_of_the_inboxs(self):
        naming = {}
        for name, it in (*TRANSLATED["Resources"].items(), *TEMPLATE["Outputs"].items()):
            if re.search(r"\bInboxSecrets(Arn)?\b", json.dumps(it)):
                naming[name] = it.get("Condition")
        self.assertEqual(naming, {"Inbox": "Queued", "InboxRole": "Queued", "InboxSecretArn": "Queued", "PutInboxSecretsCommand": "MakesInboxSecret"})

    def test_a_replaced_secret_is_kept(self):
        for it in self.secrets.values():
            self.assertEqual(it["UpdateReplacePolicy"], "Retain")


class Bucket:
    """What every bucket of the stack must be: `name` is its logical id."""

    def test_blocks_public_access_in_all_four_ways(self):
        block = self.properties["PublicAccessBlockConfiguration"]
        self.assertEqual(len(block), 4)
        self.assertEqual(set(block.values()), {True})

    def test_has_no_acls(self):
        self.assertEqual(self.properties["OwnershipControls"], {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
        self.assertNotIn("AccessControl", self.properties)

    def test_is_encrypted(self):
        self.assertIn("ServerSideEncryptionConfiguration", self.properties["BucketEncryption"])

    def test_answers_only_over_tls(self):
        (it,) = TEMPLATE["Resources"][f"{self.name}Policy"]["Properties"]["PolicyDocument"]["Statement"]
        self.assertEqual((it["Effect"], it["Principal"], it["Action"]), ("Deny", "*", "s3:*"))
        self.assertEqual(it["Condition"], {"Bool": {"aws:SecureTransport": "false"}})
        self.assertEqual(it["Resource"], [{"Fn::GetAtt": [self.name, "Arn"]}, {"Fn::Sub": "${%s.Arn}/*" % self.name}])

    @property
    def properties(self):
        return TEMPLATE["Resources"][self.name]["Properties"]


class State(Bucket, unittest.TestCase):
    name = "StateBucket"

    def test_goes_with_the_stack(self):
        self.assertEqual(TEMPLATE["Resources"][self.name]["DeletionPolicy"], "Delete")

    def test_a_ledger_outlives_the_upload_that_it_names(self):
        (rule,) = [it for it in self.properties["LifecycleConfiguration"]["Rules"] if it["Prefix"] == "uploads/"]
        uploads = TEMPLATE["Resources"]["BackupBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        (days,) = [it["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for it in uploads if "AbortIncompleteMultipartUpload" in it]
        self.assertEqual(rule["Prefix"], "uploads/")
        self.assertGreater(rule["ExpirationInDays"], days)

    def test_everything_in_it_ends(self):
        rules = {it["Prefix"]: it for it in self.properties["LifecycleConfiguration"]["Rules"]}
        self.assertEqual(set(rules), {"uploads/", "audits/", "deliveries/", "strangers/", "done/", "summaries/", "endpoints/"})
        self.assertTrue(all(it["Status"] == "Enabled" and it["ExpirationInDays"] for it in rules.values()))
        self.assertEqual(rules["deliveries/"]["ExpirationInDays"], {"Ref": "DeliveryDays"})
        self.assertEqual(rules["strangers/"]["ExpirationInDays"], 7)
        # Those of the longest life, too, are over before their file goes.
        self.assertGreater(rules["endpoints/"]["ExpirationInDays"], 90)


class Backup(Bucket, unittest.TestCase):
    name = "BackupBucket"

    def test_outlives_the_stack_and_its_replacement(self):
        for name in ("BackupBucket", "BackupBucketPolicy"):
            self.assertEqual(TEMPLATE["Resources"][name]["DeletionPolicy"], "Retain")
            self.assertEqual(TEMPLATE["Resources"][name]["UpdateReplacePolicy"], "Retain")

    def test_is_made_only_when_none_is_given(self):
        for name in ("BackupBucket", "BackupBucketPolicy"):
            self.assertEqual(TEMPLATE["Resources"][name]["Condition"], "MakesBackupBucket")
        self.assertEqual(TEMPLATE["Parameters"]["BackupBucketName"]["Default"], "")

    def test_keeps_versions(self):
        self.assertEqual(self.properties["VersioningConfiguration"], {"Status": "Enabled"})

    def test_retains_versions_for_as_long_as_is_asked_for_and_by_default_not_at_all(self):
        nothing = {"Ref": "AWS::NoValue"}
        retention = {"Mode": {"Ref": "LockMode"}, "Days": {"Ref": "LockDays"}}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
        self.assertEqual(self.properties["ObjectLockEnabled"], {"Fn::If": ["HasLock", True, nothing]})
        self.assertEqual(self.properties["ObjectLockConfiguration"], {"Fn::If": ["HasLock", lock, nothing]})
        self.assertEqual(TEMPLATE["Conditions"]["HasLock"], {"Fn::Not": [{"Fn::Equals": [{"Ref": "LockDays"}, 0]}]})
        self.assertEqual(TEMPLATE["Parameters"]["LockDays"]["Default"], 0)
        self.assertEqual(TEMPLATE["Parameters"]["LockMode"]["AllowedValues"], ["GOVERNANCE", "COMPLIANCE"])
        # An update must not put an empty bucket in the place of one that is full.
        self.assertNotIn("BucketName", self.properties)

    def test_who_works_may_ask_for_the_lock_and_nobody_may_get_past_it(self):
        self.assertEqual(statement("KnowTheLock")["Action"], "s3:GetBucketObjectLockConfiguration")
        self.assertEqual(statement("KnowTheLock")["Resource"], statement("TellMissingFromForbidden")["Resource"])
        for it in statements():
            for action in as_list(it["Action"]):
                self.assertNotIn(action, ("s3:BypassGovernanceRetention", "s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:PutBucketObjectLockConfiguration"))

    def test_the_region_and_the_encryption_are_told_to_who_writes(self):
        for name in ("Receiver", "Worker"):
            variables = TEMPLATE["Resources"][name]["Properties"]["Environment"]["Variables"]
            for variable, condition, parameter in (("BACKUP_REGION", "HasBackupRegion", "BackupRegion"), ("BACKUP_SSE", "HasBackupSse", "BackupSse"), ("BACKUP_SSE_KEY", "HasBackupSseKey", "BackupSseKeyArn")):
                self.assertEqual(variables[variable], {"Fn::If": [condition, {"Ref": parameter}, {"Ref": "AWS::NoValue"}]})
                self.assertEqual(TEMPLATE["Parameters"][parameter]["Default"], "")

    def test_clears_abandoned_uploads_and_old_versions_and_nothing_current(self):
        rules = self.properties["LifecycleConfiguration"]["Rules"]
        self.assertTrue(any("AbortIncompleteMultipartUpload" in rule for rule in rules))
        self.assertTrue(any("NoncurrentVersionExpiration" in rule for rule in rules))
        for rule in rules:
            self.assertFalse({"ExpirationInDays", "ExpirationDate", "Transitions"} & set(rule))


class Topic(unittest.TestCase):
    def test_is_encrypted(self):
        self.assertEqual(TEMPLATE["Resources"]["NoticeTopic"]["Properties"]["KmsMasterKeyId"], "alias/aws/sns")

    def test_takes_notices_only_over_tls(self):
        (it,) = TEMPLATE["Resources"]["NoticeTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        self.assertEqual((it["Effect"], it["Principal"], it["Action"]), ("Deny", "*", "sns:Publish"))
        self.assertEqual(it["Condition"], {"Bool": {"aws:SecureTransport": "false"}})

    def test_mails_only_whom_the_parameter_names(self):
        it = TEMPLATE["Resources"]["NotificationSubscription"]
        self.assertEqual(it["Condition"], "HasNotificationEmail")
        self.assertEqual((it["Properties"]["Protocol"], it["Properties"]["Endpoint"]), ("email", {"Ref": "NotificationEmail"}))

    def test_mails_nobody_each_outcome(self):
        it = TEMPLATE["Resources"]["NotificationSubscription"]
        # What comes without attributes is a mail, too.
        *mailed, absent = it["Properties"]["FilterPolicy"]["kind"]
        self.assertEqual((mailed, absent), (["summary", "audit"], {"exists": False}))
        kinds = set(re.findall(r'\("kind", "(\w+)"|attributes\("(\w+)"', (ROOT / "src/domain/notice.rs").read_text()))
        self.assertLess(set(mailed), {one or other for one, other in kinds})


class Alarms(unittest.TestCase):
    alarms = of_type("AWS::CloudWatch::Alarm")

    def test_there_is_one_for_each_thing_that_goes_wrong(self):
        self.assertEqual(
            set(self.alarms),
            {"ReceiverErrors", "ReceiverThrottles", "ReceiverSlow", "ReceiverUnrecorded", "LostRecords", "SubscriptionsEnded", "ApiFailures", "WorkerErrors", "WorkerUnrecorded", "WorkerThrottles", "WorkerSlow", "InboxErrors", "InboxThrottles", "DeadLetters", "OldJobs", "AuditsNotStarted", "AuditsOverdue", "HeldDeletions", "InboxUnrecorded", "LateCopies", "MissedHints"},
        )

    def test_each_tells_somebody(self):
        for name, it in self.alarms.items():
            self.assertEqual(it["Properties"]["AlarmActions"], [{"Ref": "AlarmTopic"}], name)
            self.assertTrue(it["Properties"]["AlarmDescription"], name)

    def test_what_audits_find_is_watched_of_the_function_that_works_as_long_as_there_are_audits(self):
        for name, metric, condition in (("HeldDeletions", "held_deletions", None), ("MissedHints", "missed_hints", "HasAudit"), ("LateCopies", "lag", None)):
            it = self.alarms[name]
            self.assertEqual(it.get("Condition"), condition)
            self.assertEqual((it["Properties"]["Namespace"], it["Properties"]["MetricName"]), (NAMESPACE, metric))
            self.assertEqual(it["Properties"]["Dimensions"], [{"Name": "function", "Value": WORKING}])

    def test_audits_that_come_to_no_end_or_do_not_begin_are_told_of(self):
        it = self.alarms["AuditsOverdue"]
        self.assertEqual(it["Condition"], "HasAudit")
        properties = it["Properties"]
        hours, age = properties["Metrics"]
        self.assertEqual(hours["Expression"], f"{age['Id']} / 3600")
        stat = age["MetricStat"]
        self.assertEqual((stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], stat["Stat"]), (NAMESPACE, "audit_age", "Maximum"))
        self.assertEqual(stat["Metric"]["Dimensions"], [{"Name": "function", "Value": WORKING}])
        self.assertEqual(properties["Threshold"], {"Ref": "AuditAlarmHours"})
        # Whoever deletes the schedule is told, and a new stack that has not had an audit yet raises nothing.
        self.assertEqual((properties["TreatMissingData"], properties["InsufficientDataActions"]), ("missing", [{"Ref": "AlarmTopic"}]))
        self.assertLessEqual(stat["Period"] * properties["EvaluationPeriods"], 7 * 86400)
        default = TEMPLATE["Parameters"]["AuditAlarmHours"]["Default"]
        self.assertTrue(24 < default < 48, "the usual schedule is once a day: one audit that does not come to its end is told of when the next but one begins")

    def test_late_copies_are_those_of_an_hour(self):
        it = self.alarms["LateCopies"]["Properties"]
        self.assertEqual((it["ExtendedStatistic"], it["Threshold"]), ("p99", 3600 * 1000))

    def test_what_could_not_be_kept_is_watched_where_deliveries_come_and_where_they_are_worked_on(self):
        for name in ("Receiver", "Worker", "Inbox"):
            it = self.alarms[f"{name}Unrecorded"]["Properties"]
            self.assertEqual((it["Namespace"], it["MetricName"]), (NAMESPACE, "unrecorded"))
            self.assertEqual(it["Dimensions"], [{"Name": "function", "Value": {"Ref": name}}])

    def test_records_that_are_lost_and_subscriptions_that_end_are_watched_where_deliveries_come(self):
        for name, metric in (("LostRecords", "lost_records"), ("SubscriptionsEnded", "subscriptions_ended")):
            it = self.alarms[name]["Properties"]
            self.assertEqual((it["Namespace"], it["MetricName"]), (NAMESPACE, metric))
            self.assertEqual(it["Dimensions"], [{"Name": "function", "Value": {"Ref": "Receiver"}}])

    def test_each_is_there_whenever_what_it_watches_is(self):
        for name, it in self.alarms.items():
            # One of the two works, whatever the mode.
            watches = {key: value for key, value in it["Properties"].items() if WORKING not in [it["Value"] for found in ([value] if key == "Dimensions" else [query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", []) for query in value] if key == "Metrics" else []) for it in found]}
            watched = [text for text in strings(watches) if text in TEMPLATE["Resources"] and text != "AlarmTopic"]
            for other in watched:
                self.assertEqual(it.get("Condition"), TEMPLATE["Resources"][other].get("Condition"), name)

    def test_the_slow_are_those_near_their_own_time_out(self):
        for name in ("Receiver", "Worker"):
            (expression,) = [it["Expression"]["Fn::Sub"] for it in self.alarms[f"{name}Slow"]["Properties"]["Metrics"] if "Expression" in it]
            self.assertEqual(expression[0], "longest / (10 * ${Seconds})")
            self.assertEqual(expression[1]["Seconds"], TEMPLATE["Resources"][name]["Properties"]["Timeout"])

    def test_are_encrypted_with_a_key_that_admits_cloudwatch_for_this_account(self):
        self.assertEqual(TEMPLATE["Resources"]["AlarmTopic"]["Properties"]["KmsMasterKeyId"], {"Ref": "AlarmKey"})
        key = TEMPLATE["Resources"]["AlarmKey"]["Properties"]
        self.assertTrue(key["EnableKeyRotation"])
        (grant,) = [it for it in key["KeyPolicy"]["Statement"] if it["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
        publish, tls = TEMPLATE["Resources"]["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        for it in (grant, publish):
            self.assertEqual(it["Condition"], {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}})
        self.assertEqual((tls["Effect"], tls["Condition"]), ("Deny", {"Bool": {"aws:SecureTransport": "false"}}))

    def test_mails_only_whom_the_parameter_names(self):
        it = TEMPLATE["Resources"]["AlarmSubscription"]
        self.assertEqual((it["Condition"], it["Properties"]["Endpoint"]), ("HasAlarmEmail", {"Ref": "AlarmEmail"}))


class Dashboard(unittest.TestCase):
    def metrics(self, queued):
        """Namespace, name and dimensions of everything that is drawn."""
        for widget in json.loads(resolved(the("AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"], queued))["widgets"]:
            for metric in widget["properties"]["metrics"]:
                if isinstance(metric[0], dict):
                    found = re.match(r"SEARCH\('\{(\w+),(\w+),(\w+)\} MetricName=\"(\w+)\" (\w+)=\"(\w+)\"','Sum',300\)$", metric[0]["expression"])
                    yield found[1], found[4], {found[5]: found[6], found[3]: ""}
                else:
                    names = [it for it in metric if isinstance(it, str)]
                    yield names[0], names[1], dict(zip(names[2::2], names[3::2], strict=True))

    def test_draws_what_the_function_counts_and_what_aws_does_in_both_modes(self):
        for queued, working in ((True, "Worker"), (False, "Receiver")):
            drawn = list(self.metrics(queued))
            ours = {name: dimensions["function"] for space, name, dimensions in drawn if space == NAMESPACE}
            self.assertEqual(set(ours), set(METRICS))
            for name in ("jobs", "copied_bytes", "lag", "missed_hints", "held_deletions", "audit_age"):
                self.assertEqual(ours[name], working, name)
            for name in ("deliveries", "rejections", "lost_records", "subscriptions_ended"):
                self.assertEqual(ours[name], "Receiver", name)
            keeping = {dimensions["function"] for _, name, dimensions in drawn if name == "unrecorded"}
            self.assertEqual(keeping, {"Receiver", "Worker", "Inbox"} if queued else {"Receiver"})
            spaces = {space for space, _, _ in drawn}
            self.assertEqual(spaces, {NAMESPACE, "AWS/Lambda", "AWS/ApiGateway"} | ({"AWS/SQS"} if queued else set()))
            functions = {dimensions["FunctionName"] for space, _, dimensions in drawn if space == "AWS/Lambda"}
            self.assertEqual(functions, {"Receiver", working} | ({"Inbox"} if queued else set()))

    def test_each_metric_has_the_dimensions_that_the_function_gives_it(self):
        for space, name, dimensions in self.metrics(True):
            if space == NAMESPACE:
                more = {"rejections": {"reason"}, "jobs": {"outcome"}}.get(name, set())
                self.assertEqual(set(dimensions), {"function"} | more, name)

    def test_no_two_widgets_overlap(self):
        for queued in (True, False):
            taken = set()
            for it in json.loads(resolved(the("AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"], queued))["widgets"]:
                cells = {(x, y) for x in range(it["x"], it["x"] + it["width"]) for y in range(it["y"], it["y"] + it["height"])}
                self.assertFalse(cells & taken, it["properties"]["title"])
                self.assertLessEqual(it["x"] + it["width"], 24)
                taken |= cells

    def test_the_names_in_the_template_are_those_in_the_code(self):
        alarms = {it["Properties"]["MetricName"] for it in of_type("AWS::CloudWatch::Alarm").values() if it["Properties"].get("Namespace") == NAMESPACE}
        self.assertLess(alarms, set(METRICS))
        self.assertEqual(len(METRICS), 12)


class Door(unittest.TestCase):
    api = the("AWS::Serverless::HttpApi")["Properties"]

    def test_is_an_http_api_on_the_default_stage(self):
        (stage,) = of_type("AWS::ApiGatewayV2::Stage", TRANSLATED).values()
        self.assertEqual(stage["Properties"]["StageName"], "$default")
        self.assertTrue(stage["Properties"]["AutoDeploy"])

    def test_one_route_takes_every_method_and_path_and_behind_a_queue_the_inbox_has_its_own(self):
        for queued, inbox in ((True, "Inbox"), (False, "Receiver")):
            always = {"ANY $default": "Receiver", "POST /inbox/api/login": inbox}
            more = {"ANY /inbox": inbox, "ANY /inbox/{proxy+}": inbox} if queued else {}
            self.assertEqual(self.routes(queued), always | more)

    def routes(self, queued):
        """Every route with the function behind it, in this mode."""
        (api,) = of_type("AWS::ApiGatewayV2::Api", TRANSLATED).values()
        found = {}
        for path, methods in api["Properties"]["Body"]["paths"].items():
            if "Fn::If" in methods:
                condition, one, other = methods["Fn::If"]
                self.assertEqual((condition, other), ("Queued", NO_VALUE))
                methods = one if queued else {}
            for method, route in methods.items():
                self.assertEqual(route.get("isDefaultRoute", False), path == "$default")
                (function,) = re.findall(r"functions/\$\{(\w+)(?:\.Arn)?\}/invocations$", text := self.uri(route))
                if function == "Function":
                    function = route["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"][1]["Function"]["Fn::If"][1 if queued else 2]["Fn::GetAtt"][0]
                self.assertTrue(text.startswith("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/"), text)
                found[f"{'ANY' if method.startswith('x-') else method.upper()} {path}"] = function
        return found

    def uri(self, route):
        text = route["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        return text[0] if isinstance(text, list) else text

    def test_each_route_hands_the_request_over_as_the_function_reads_it(self):
        for it in integrations():
            self.assertEqual((it["type"], it["httpMethod"], it["payloadFormatVersion"]), ("aws_proxy", "POST", "2.0"))
        self.assertEqual(len(integrations()), 4)

    def test_logs_in_are_throttled_by_a_route_of_their_own_in_both_modes(self):
        (stage,) = of_type("AWS::ApiGatewayV2::Stage", TRANSLATED).values()
        self.assertEqual(stage["Properties"]["RouteSettings"], {"POST /inbox/api/login": {"ThrottlingRateLimit": 20, "ThrottlingBurstLimit": 50}})
        # A setting of a route that is not there would stop the deployment.
        for queued in (True, False):
            self.assertIn("POST /inbox/api/login", self.routes(queued))

    def test_no_other_site_may_ask_from_a_browser(self):
        self.assertNotIn("CorsConfiguration", self.api)

    def test_throttles_with_defaults(self):
        settings = self.api["DefaultRouteSettings"]
        self.assertEqual(settings, {"ThrottlingRateLimit": {"Ref": "ThrottleRate"}, "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"}})
        for name in ("ThrottleRate", "ThrottleBurst"):
            self.assertGreater(TEMPLATE["Parameters"][name]["Default"], 0)

    def test_logs_each_request_as_one_line_of_json(self):
        line = self.api["AccessLogSettings"]["Format"]
        self.assertNotIn("\n", line)
        self.assertIn("requestId", json.loads(line))

    def test_never_logs_the_path_which_may_hold_a_secret(self):
        line = self.api["AccessLogSettings"]["Format"]
        self.assertFalse(re.findall(r"\$context\.(path|customDomain|routeKey|authorizer|requestOverride)", line))


class Stack(unittest.TestCase):
    def test_every_log_group_has_a_retention(self):
        groups = of_type("AWS::Logs::LogGroup", TRANSLATED)
        self.assertEqual(set(groups), {"AccessLogGroup", "ReceiverLogGroup", "WorkerLogGroup", "InboxLogGroup"})
        for group in groups.values():
            self.assertEqual(group["Properties"]["RetentionInDays"], {"Ref": "LogRetention"})

    def test_no_resource_has_a_fixed_physical_name(self):
        # An inline policy's name lives inside its role, DisplayName is a title: two stacks do not collide on them.
        # MetricName is AWS's own.
        inside = {"PolicyName", "DisplayName", "StageName", "MetricName"}
        for name, resource in TRANSLATED["Resources"].items():
            for path, value in walk(resource["Properties"]):
                # A bucket policy's and the like refer to what they belong to.
                dimension = "Dimensions" in path
                if path and str(path[-1]).endswith("Name") and path[-1] not in inside and not dimension and isinstance(value, str):
                    self.fail(f"{name} has the fixed {path[-1]} {value}")
        for kind in ("AWS::SecretsManager::Secret", "AWS::Serverless::HttpApi"):
            for it in of_type(kind).values():
                self.assertNotIn("Name", it["Properties"])

    def test_only_the_backup_outlives_the_stack(self):
        kept = {name for name, it in TEMPLATE["Resources"].items() if it.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate")}
        self.assertEqual(kept, {"BackupBucket", "BackupBucketPolicy"})

    def test_no_account_and_no_region_is_written_down(self):
        for text in strings(TEMPLATE) + [(ROOT / "samconfig.toml").read_text()]:
            self.assertNotRegex(text, r"\b\d{12}\b")
            self.assertNotRegex(text, r"\b(us|eu|ap|sa|ca|me|af|il|cn|mx)-[a-z]+-\d\b")

    def test_no_lint_rule_is_ignored(self):
        self.assertNotIn("Metadata", TEMPLATE)
        for name, it in TEMPLATE["Resources"].items():
            self.assertNotIn("cfn-lint", it.get("Metadata", {}), name)
        self.assertFalse(list(ROOT.glob(".cfnlintrc*")))

    def test_every_parameter_is_described_and_bounded(self):
        for name, it in TEMPLATE["Parameters"].items():
            self.assertTrue(it.get("Description"), name)
            self.assertTrue({"AllowedPattern", "AllowedValues", "MinValue"} & set(it), name)

    def test_every_default_fits_its_own_pattern(self):
        for name, it in TEMPLATE["Parameters"].items():
            if "AllowedPattern" in it and "Default" in it:
                self.assertRegex(it["Default"], it["AllowedPattern"], name)

    def test_only_the_sources_must_be_given(self):
        self.assertEqual({name for name, it in TEMPLATE["Parameters"].items() if "Default" not in it}, {"Sources"})

    def test_patterns_take_what_they_should(self):
        secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:hook/work-AbCdEf"
        key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        taken = {
            "Sources": ('{"vk": {}}', "{\n  }\n"),
            "SecretsArn": (secret, f"{secret},{secret}2-AbCdEf"),
            "WorkerSecretsArn": (secret, f"{secret},{secret}2-AbCdEf"),
            "InboxSecretsArn": (secret, f"{secret},{secret}2-AbCdEf"),
            "BackupBucketName": ("my-backup.2",),
            "BackupRegion": ("eu-central-1", "us-gov-west-1", "ap-southeast-7"),
            "BackupSseKeyArn": (key,),
            "KmsKeyArns": (key, f"{key},{key}"),
            "NotificationEmail": ("a.b+c@example.com",),
            "AlarmEmail": ("a.b+c@example.com",),
            "ReservedConcurrency": ("10",),
            "AuditSchedule": ("rate(1 day)", "cron(0 3 * * ? *)", "cron(0 9 ? * 2#1 *)"),
        }
        refused = {
            "Sources": ("", "vk", "[]"),
            "SecretsArn": ("hookwork", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:the-name-alone", "*", f"{secret},", f"{secret},*"),
            "WorkerSecretsArn": ("hookwork", "*", f"{secret},", f"{secret},*"),
            "InboxSecretsArn": ("hookwork", "*", f"{secret},", f"{secret},*"),
            "BackupBucketName": ("My_Backup", "s3://backup", "backup/", "*"),
            "BackupRegion": ("frankfurt", "eu-central-1/x", "*"),
            "BackupSseKeyArn": ("alias/mine", "*", f"{key},{key}"),
            "KmsKeyArns": ("alias/mine", "*", f"{key} {key}", f"{key},"),
            "AlarmEmail": ("someone", "a@b"),
            "NotificationEmail": ("someone", "a@b", "a b@example.com"),
            "ReservedConcurrency": ("-1", "many"),
            "AuditSchedule": ("daily", "rate(1 day", "at(2026-01-01T00:00:00)"),
        }
        self.assertEqual(set(taken), {name for name, it in TEMPLATE["Parameters"].items() if "AllowedPattern" in it})
        for name, values in taken.items():
            for value in values:
                self.assertRegex(value, TEMPLATE["Parameters"][name]["AllowedPattern"], name)
        for name, values in refused.items():
            for value in values:
                self.assertNotRegex(value, TEMPLATE["Parameters"][name]["AllowedPattern"], name)


class Outputs(unittest.TestCase):
    outputs = TEMPLATE["Outputs"]
    urls = {name: it["Value"]["Fn::Sub"] for name, it in outputs.items() if name.endswith("Url")}

    def test_urls_end_without_a_slash(self):
        for url in self.urls.values():
            self.assertFalse(url.endswith("/"), url)

    def test_urls_are_exact_and_have_no_stage(self):
        base = "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
        self.assertEqual(
            self.urls,
            {
                "HooksUrl": f"{base}/hooks",
                "VkUrl": f"{base}/hooks/vk",
                "IntdashUrl": f"{base}/hooks/intdash",
                "WebhookUrl": f"{base}/webhook",
                "InboxUrl": f"{base}/inbox",
                "PingUrl": f"{base}/ping",
            },
        )

    def test_name_all_that_an_operator_looks_for(self):
        wanted = {"BackupBucket", "NoticeTopicArn", "SecretArn", "FunctionName", "LogGroup", "PutSecretsCommand", "PutWorkerSecretsCommand", "PutInboxSecretsCommand", "WorkerSecretArn", "InboxSecretArn", "WorkerName", "InboxName", "AlarmTopicArn", "JobQueue", "DeadLetters"}
        self.assertLessEqual(wanted, set(self.outputs))
        for it in self.outputs.values():
            self.assertTrue(it["Description"])

    def test_the_commands_for_the_secrets_say_what_the_inbox_wants(self):
        # Behind a queue it has a secret of its own, without one all are in the one.
        for name in ("PutInboxSecretsCommand", "PutSecretsCommand"):
            self.assertIn('{"inbox":{"token":"..."}}', self.outputs[name]["Description"])

    def test_each_secret_is_filled_from_a_file_of_its_own_which_git_does_not_take(self):
        files = {}
        for name in ("PutSecretsCommand", "PutWorkerSecretsCommand", "PutInboxSecretsCommand"):
            command = self.outputs[name]["Value"]["Fn::Sub"]
            files[re.search(r"file://(\S+)$", command)[1]] = re.search(r"--secret-id \$\{(\w+)\}", command)[1]
        self.assertEqual(files, {"secrets.json": "Secrets", "worker-secrets.json": "WorkerSecrets", "inbox-secrets.json": "InboxSecrets"})
        self.assertLessEqual({f"/{name}" for name in files}, set((ROOT / ".gitignore").read_text().split()))

    def test_none_has_the_name_of_a_parameter_which_sam_build_would_put_in_its_place(self):
        self.assertFalse(set(self.outputs) & set(TEMPLATE["Parameters"]))

    def test_nothing_is_exported_under_a_fixed_name(self):
        self.assertFalse([name for name, it in self.outputs.items() if "Export" in it])


class SamConfig(unittest.TestCase):
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]

    def test_asks_before_it_changes_anything(self):
        self.assertTrue(self.config["deploy"]["parameters"]["confirm_changeset"])
        self.assertNotIn("no_prompts", self.config.get("delete", {}).get("parameters", {}))

    def test_takes_no_more_capability_than_a_role_without_a_name(self):
        self.assertEqual(self.config["deploy"]["parameters"]["capabilities"], "CAPABILITY_IAM")

    def test_local_invocations_get_the_environment_file(self):
        self.assertTrue((ROOT / self.config["local_invoke"]["parameters"]["env_vars"]).is_file())


# ---- events/


def event(name):
    return json.loads((ROOT / f"events/{name}.json").read_text())


def body(it):
    raw = it["body"]
    return base64.b64decode(raw, validate=True) if it["isBase64Encoded"] else raw.encode()


def header(it, name):
    """As a receiver must look it up: names have no case."""
    return next((value for key, value in it["headers"].items() if key.lower() == name), None)


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def vk_answer(challenge, url):
    """VK's chain: raw bytes between the stages, hex only at the end."""
    key = mac(mac(challenge["Token"].encode(), challenge["Timestamp"].encode()), challenge["TopicArn"].encode())
    return mac(key, url.encode()).hex()


ENVIRONMENT = json.loads((ROOT / "events/env.json").read_text())["Parameters"]
SOURCES = json.loads(ENVIRONMENT["SOURCES"])
SECRETS = json.loads(ENVIRONMENT["SECRETS"])
NAMES = sorted(path.stem for path in (ROOT / "events").glob("*.json") if path.stem != "env")
REQUESTS = [name for name in NAMES if "requestContext" in event(name)]
# Written down again, not read from the vectors: a vector that changes by mistake is found here.
ARTICLE = "3754ce36636f80dfd606c5254d64ecb2fd8d555c27962b70b4f759f32c76b66d"
DOCS = "ea3fce4bb15c6de4fec365d36bcebbc34ccddf54616d5ca12e1972f82b6d37af"
INTDASH = "xLDu+qI59GmQxQpCn0MjVwzIH9HY3SYkY2dF6kWLMrQ="


class Events(unittest.TestCase):
    def test_every_event_is_a_complete_request(self):
        for name in REQUESTS:
            with self.subTest(name):
                it = event(name)
                self.assertIs(type(it["isBase64Encoded"]), bool)
                context = it["requestContext"]
                self.assertEqual(header(it, "host"), context["domainName"])
                if it.get("version") == "2.0":
                    self.assertEqual(it["rawPath"], context["http"]["path"])
                    self.assertEqual(context["stage"], "$default")
                    self.assertEqual([key for key in it["headers"] if key != key.lower()], [])
                    if "body" in it:
                        self.assertEqual(int(header(it, "content-length")), len(body(it)))
                else:
                    self.assertEqual(context["path"], f"/{context['stage']}{it['path']}")
                    self.assertEqual({key: [value] for key, value in it["headers"].items()}, it["multiValueHeaders"])

    def test_every_event_is_what_the_generator_writes(self):
        spec = importlib.util.spec_from_file_location("generate", ROOT / "events/generate.py")
        generator = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(generator)
        made = generator.files()
        self.assertEqual(set(made), {path.name for path in (ROOT / "events").glob("*.json")})
        for name, text in made.items():
            with self.subTest(name):
                self.assertEqual((ROOT / "events" / name).read_text(), text)

    def test_every_event_is_explained(self):
        text = (ROOT / "events/README.md").read_text()
        known = set()
        for line in text.splitlines():
            short = re.findall(r"`(-?[a-z0-9-]+)`", line.split("|")[1]) if line.startswith("| `") else []
            for name in short:
                stem = re.match(r"[a-z0-9]+-[a-z]+", short[0])
                known.add(name if not name.startswith("-") else stem.group() + name)
        self.assertEqual(set(NAMES), known)

    def test_every_path_belongs_to_a_source_of_the_environment(self):
        paths = {f"/hooks/{name}" for name in SOURCES} | {it["path"] for it in SOURCES.values() if "path" in it} | {"/ping"}
        for name in REQUESTS:
            path = event(name).get("rawPath", event(name).get("path"))
            # The inbox, and endpoints that are in no settings.
            if path != "/inbox" and not path.startswith(("/inbox/", "/in/")):
                self.assertIn(path, paths, name)

    def test_published_handshakes_recompute_in_every_wrapping(self):
        handshakes = [name for name in NAMES if name.startswith("vk-handshake-")]
        self.assertEqual(len(handshakes), 7)
        for name in handshakes:
            with self.subTest(name):
                source, published = ("vk-docs", DOCS) if name == "vk-handshake-docs" else ("vk", ARTICLE)
                challenge = json.loads(body(event(name)))
                self.assertEqual(challenge["Type"], "SubscriptionConfirmation")
                self.assertEqual(vk_answer(challenge, SOURCES[source]["url"]), published)

    def test_wrappings_are_what_their_names_say(self):
        self.assertNotIn("version", event("vk-handshake-rest-v1"))
        self.assertNotIn("version", event("intdash-completed-rest-v1"))
        self.assertTrue(event("vk-handshake-base64")["isBase64Encoded"])
        self.assertTrue(event("intdash-completed-base64")["isBase64Encoded"])
        self.assertIsNone(header(event("vk-handshake-no-content-type"), "content-type"))
        self.assertIn(".lambda-url.", event("vk-handshake-function-url")["requestContext"]["domainName"])
        self.assertNotIn(b'"Type":"', body(event("vk-handshake-spaces")))
        self.assertIn(b'"Type":"', body(event("vk-handshake-article")))

    def test_published_intdash_signature_recomputes_in_every_wrapping(self):
        for name in ("intdash-completed", "intdash-completed-rest-v1", "intdash-completed-base64"):
            with self.subTest(name):
                self.assertEqual(header(event(name), "x-intdash-signature-256"), INTDASH)

    def test_every_intdash_delivery_but_one_is_signed_with_the_secret_of_the_environment(self):
        (secret,) = SECRETS["intdash"]["secrets"]
        for name in (name for name in NAMES if name.startswith("intdash-")):
            with self.subTest(name):
                it = event(name)
                right = base64.b64encode(mac(secret.encode(), body(it))).decode()
                sent = header(it, "x-intdash-signature-256")
                if name == "intdash-bad-signature":
                    self.assertNotEqual(sent, right)
                    self.assertEqual(len(base64.b64decode(sent, validate=True)), 32)
                else:
                    self.assertEqual(sent, right)

    def test_every_record_is_of_a_bucket_on_the_allow_list(self):
        for name in REQUESTS:
            it = event(name)
            path = it.get("rawPath", it.get("path"))
            source = next((SOURCES[key] for key in SOURCES if path in (f"/hooks/{key}", SOURCES[key].get("path"))), None)
            records = json.loads(body(it)).get("Records", []) if source and source["kind"] == "s3" else []
            for record in records:
                bucket = record["s3"]["bucket"]
                allowed = {bucket["name"], f"{bucket['ownerIdentity']['principalId']}/{bucket['name']}"}
                self.assertTrue(allowed & set(source["buckets"]), name)

    def test_every_challenge_is_of_a_bucket_on_the_allow_list(self):
        for name in (name for name in NAMES if name.startswith("vk-handshake-")):
            project, bucket, _ = json.loads(body(event(name)))["TopicArn"].split("|")
            source = SOURCES["vk-docs" if name == "vk-handshake-docs" else "vk"]
            self.assertIn(f"{project}/{bucket}", source["buckets"])

    def test_a_record_of_an_unknown_name_follows_a_removal(self):
        names = [record["eventName"] for record in json.loads(body(event("vk-multi-record")))["Records"]]
        self.assertEqual(names[-2:], ["s3:ObjectRemoved:Delete", "s3:ObjectAcl:Put"])

    def test_what_is_no_request_comes_from_the_queue_the_clock_or_an_operator(self):
        self.assertEqual(sorted(set(NAMES) - set(REQUESTS)), ["audit", "queue-mirror", "release"])

    def test_the_clock_says_what_the_template_has_it_say(self):
        self.assertEqual(event("audit"), json.loads(TEMPLATE["Resources"]["Audit"]["Properties"]["Target"]["Input"]))

    def test_a_release_is_of_a_bucket_on_the_allow_list(self):
        it = event("release")
        self.assertIn(it["bucket"], SOURCES[it["source"]]["buckets"])

    def test_every_job_of_the_queue_is_of_a_bucket_on_the_allow_list(self):
        for record in event("queue-mirror")["Records"]:
            self.assertEqual(record["eventSource"], "aws:sqs")
            self.assertEqual(record["md5OfBody"], hashlib.md5(record["body"].encode()).hexdigest())
            job = json.loads(record["body"])
            self.assertEqual(set(job), {"version", "delivery", "work"})
            self.assertIn(job["work"]["mirror"]["origin"], SOURCES[job["work"]["mirror"]["source"]]["buckets"])


class LocalEnvironment(unittest.TestCase):
    declared = TEMPLATE["Resources"]["Receiver"]["Properties"]["Environment"]["Variables"]

    def test_every_name_is_declared_in_the_template_since_sam_local_drops_others(self):
        self.assertEqual(set(ENVIRONMENT), set(self.declared))

    def test_secrets_are_inline_and_not_given_twice(self):
        self.assertTrue(ENVIRONMENT["SECRETS"])
        self.assertEqual(ENVIRONMENT["SECRETS_ARN"], "")

    def test_every_source_has_its_secret(self):
        self.assertEqual(set(SECRETS), set(SOURCES) | {"inbox"})

    def test_prefixes_do_not_overlap(self):
        prefixes = [bucket["prefix"] for it in SOURCES.values() for bucket in it.get("buckets", {}).values()]
        for one in prefixes:
            self.assertEqual([other for other in prefixes if other.startswith(one)], [one])

    def test_fits_into_what_lambda_gives_an_environment(self):
        names = set(ENVIRONMENT) - {"SECRETS_ARN"}
        self.assertLess(sum(len(name) + len(ENVIRONMENT[name].encode()) for name in names), 4096)


if __name__ == "__main__":
    unittest.main()
