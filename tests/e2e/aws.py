"""AWS on this machine: ministack, an emulator, over TLS, with signatures checked and the roles' policies enforced.

What it cannot do is listed in README.md beside this file, and mended in one place: `for_ministack`.
"""

import http.client
import os
import pathlib
import secrets
import signal
import ssl
import subprocess

import boto3
from botocore.config import Config
from machine import ROOT, children
from ports import free_ports, listens, wait_for
from samcli.yamlhelper import yaml_dump, yaml_parse

REGION = "us-east-1"
BUILT = ROOT / ".aws-sam/build"


class Aws:
    """One emulator. Its files, its log and the functions' code are in `folder`."""

    def __init__(self, ministack, folder, ca):
        (self.port,) = free_ports(1)
        self.endpoint, self.log = f"https://127.0.0.1:{self.port}", folder / "ministack.log"
        self.trusted = ssl.create_default_context(cafile=ca)
        # What everybody has: sam, aws, and the functions, which inherit it all but the keys.
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "offline",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
            "AWS_CA_BUNDLE": str(ca),
            "SSL_CERT_FILE": str(ca),
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }
        own = {
            "AUTH": "true",
            "GATEWAY_PORT": str(self.port),
            # So the URLs that senders register are the very ones of the stack's outputs.
            "MINISTACK_HOST": f"{REGION}.amazonaws.com",
            "MINISTACK_REGION": REGION,
            "USE_SSL": "1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "MINISTACK_SSL_CERT": str(ca.parent / "server.pem"),
            "MINISTACK_SSL_KEY": str(ca.parent / "server.key"),
            "TMPDIR": str(folder),
        }
        # Not its own command, which listens on port 443 too.
        command = [ministack, pathlib.Path(__file__).with_name("serve.py"), "ministack.app:app", "--bind", f"127.0.0.1:{self.port}", "--keep-alive", "75", "--workers", "0"]
        command += ["--certfile", own["MINISTACK_SSL_CERT"], "--keyfile", own["MINISTACK_SSL_KEY"]]
        with open(self.log, "wb") as log:
            # In a session of its own, so that the functions that it starts can be stopped with it.
            self.process = subprocess.Popen(command, env=self.environment | own, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, start_new_session=True)
        try:
            wait_for("ministack listens", lambda: listens(self.port) or self.process.poll() is not None)
        except BaseException:
            self.stop()
            raise
        session = boto3.Session("offline", self.environment["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
        config = Config(s3={"addressing_style": "path"})
        self.client = lambda service: session.client(service, endpoint_url=self.endpoint, verify=str(ca), config=config)

    def run(self, *command, cwd=ROOT):
        """Runs a command as an operator of this AWS. Returns what it prints, and ends everything if it fails."""
        done = subprocess.run(command, cwd=cwd, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def request(self, url, method="GET", body=None, headers=None):
        """A request over the internet to the API, here: its name resolves to this machine. Returns status and text."""
        status, _, text = self.asked(url, method, body, headers)
        return status, text

    def asked(self, url, method="GET", body=None, headers=None):
        """The same; returns the answer's headers, too, their names in lower case."""
        host, _, path = url.removeprefix("https://").partition("/")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.trusted, timeout=40)
        try:
            connection.request(method, f"/{path}", body, {"Host": host} | (headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def processes_of(self, function):
        """The processes in which a function runs."""
        name = f"AWS_LAMBDA_FUNCTION_NAME={function}".encode()
        return [pid for pid in children(self.process.pid) if name in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]

    def said(self):
        """The newest lines of every log: of the functions, and of the emulator itself."""
        logs, found = self.client("logs"), {}
        for group in logs.describe_log_groups()["logGroups"]:
            events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            lines = [it["message"].rstrip() for it in events]
            found[group["logGroupName"]] = [line for line in lines if not line.startswith(("START ", "END ", "REPORT "))]
        found[self.log.name] = self.log.read_text(errors="replace").splitlines()
        return "\n".join(line for name, lines in found.items() for line in ["", f"---- {name}", *(line[:400] for line in lines[-15:])])

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def replace(node, old, new):
    """Replaces every node below that equals `old`."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if value == old:
            node[key] = new
        elif isinstance(value, (dict, list)):
            replace(value, old, new)


def flatten_actions(node):
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "Action" and isinstance(value, list):
            node[key] = [one for it in value for one in (it if isinstance(it, list) else [it])]
        elif isinstance(value, (dict, list)):
            flatten_actions(value)


def routes_of(paths):
    """It reads no routes from an API's OpenAPI body: the same, as resources."""
    made = {}
    for number, (path, methods) in enumerate(paths.items()):
        only = {}
        if "Fn::If" in methods:
            condition, methods, _ = methods["Fn::If"]
            only = {"Condition": condition}
        for method, route in methods.items():
            it, integration = route["x-amazon-apigateway-integration"], f"E2eIntegration{number}{method.title().replace('-', '')}"
            key = path if route.get("isDefaultRoute") else f"{'ANY' if method.startswith('x-') else method.upper()} {path}"
            properties = {"ApiId": {"Ref": "HttpApi"}, "IntegrationType": "AWS_PROXY", "IntegrationUri": it["uri"]}
            properties |= {"PayloadFormatVersion": it["payloadFormatVersion"], "TimeoutInMillis": it["timeoutInMillis"]}
            made[integration] = {"Type": "AWS::ApiGatewayV2::Integration", "Properties": properties} | only
            target = {"Fn::Sub": "integrations/${%s}" % integration}
            made[f"{integration}Route"] = {"Type": "AWS::ApiGatewayV2::Route", "Properties": {"ApiId": {"Ref": "HttpApi"}, "RouteKey": key, "Target": target}} | only
    return made


def for_ministack():
    """The built template, changed as little as this emulator needs. Returns its path and what was left out."""
    template = yaml_parse((BUILT / "template.yaml").read_text())
    resources = template["Resources"]
    # It knows no metric math.
    left_out = [name for name, it in resources.items() if it["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in it["Properties"]]
    for name in left_out:
        del resources[name]
    # A secret's `Ref` is its name here; in AWS it is the ARN, as `Id` is in both.
    for name in ("Secrets", "WorkerSecrets", "InboxSecrets"):
        replace(template, {"Ref": name}, {"Fn::GetAtt": [name, "Id"]})
    # It has an action of its own for a batch of messages; in AWS sqs:SendMessage covers it.
    replace(template, "sqs:SendMessage", ["sqs:SendMessage", "sqs:SendMessageBatch"])
    flatten_actions(template)
    # It takes this number only as a number, and a parameter's value is a text.
    resources["Worker"]["Properties"]["Events"]["Jobs"]["Properties"]["ScalingConfig"]["MaximumConcurrency"] = 10
    resources |= routes_of(resources["HttpApi"]["Properties"]["DefinitionBody"]["paths"])
    path = BUILT / "e2e.yaml"
    path.write_text(yaml_dump(template))
    return path, left_out
