#!/usr/bin/env python3
"""Deliveries signed by the senders' own libraries, a JSON line each, for tests/it/senders.rs.

    .venv/bin/python tests/senders.py

A line has the scheme, the secret and another one of the same form, the headers that prove the delivery, and its body in base64.
What is signed is signed now. Nothing here computes a signature: where a library cannot sign, its sender is not in this list.
"""

import base64
import json
from datetime import datetime, timezone

import githubkit.webhooks
import stripe
from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook

NOW = datetime.now(timezone.utc)
UNIX = str(int(NOW.timestamp()))
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"

BODIES = [
    '{"id":"evt_1","type":"invoice.paid","data":{"object":{"amount":1200}}}',
    # What is re-serialised before it is hashed does not survive this one.
    '{ "type": "push",\r\n "text": "\\u00dcn\\u00ef \u00fc \u65e5\u672c\u8a9e \\/ \U0001f600", "n": 1.0e3, "n": 2 }\n',
    '{"padding":"' + "x" * 100_000 + '"}',
]
SLACK_COMMAND = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&command=%2Fwebhook-collect&text=a+b"


def github(secret, body):
    return {"X-Hub-Signature-256": githubkit.webhooks.sign(secret, body.encode(), method="sha256")}


def stripe_header(secret, body):
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(payload=body, secret=secret, timestamp=int(UNIX))}


def stripe_rotating(secret, body):
    """While its secret is rotated, Stripe signs with both; other versions of a signature may stand beside them."""
    old = stripe_header("whsec_the_old_one", body)["Stripe-Signature"]
    new = stripe_header(secret, body)["Stripe-Signature"]
    return {"Stripe-Signature": f"{old},{new.split(',', 1)[1]},v0={'0' * 64}"}


def slack(secret, body):
    signature = SignatureVerifier(secret).generate_signature(timestamp=UNIX, body=body)
    return {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": UNIX}


def standard_webhooks(prefix="Webhook"):
    def sign(secret, body):
        signature = Webhook(secret).sign(msg_id=ID, timestamp=NOW, data=body)
        return {f"{prefix}-Id": ID, f"{prefix}-Timestamp": UNIX, f"{prefix}-Signature": signature}

    return sign


def standard_webhooks_rotating(secret, body):
    headers = standard_webhooks()(secret, body)
    old = standard_webhooks()("whsec_" + base64.b64encode(b"the old one").decode(), body)
    return headers | {"Webhook-Signature": f"{old['Webhook-Signature']} {headers['Webhook-Signature']} v1a,AAAA"}


PLAIN = ("It's a Secret to Everybody", "It's a secret to everybody")
STRIPE = ("whsec_test_secret", "whsec_test_secres")
WHSEC = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BARE = ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
SIGNS = [
    ("github", "githubkit", PLAIN, github, BODIES),
    ("stripe", "stripe", STRIPE, stripe_header, BODIES),
    ("stripe", "stripe, rotating", STRIPE, stripe_rotating, BODIES),
    ("slack", "slack_sdk", ("8f742231b10e8888abcd99yyyzzz85a5", "8f742231b10e8888abcd99yyyzzz85a6"), slack, [*BODIES, SLACK_COMMAND]),
    ("standard-webhooks", "standardwebhooks", WHSEC, standard_webhooks(), BODIES),
    ("standard-webhooks", "standardwebhooks, rotating", WHSEC, standard_webhooks_rotating, BODIES),
    ("standard-webhooks", "standardwebhooks, a secret without its prefix", BARE, standard_webhooks(), BODIES),
    # svix's own library signs by standardwebhooks, under these names or those; GitLab signs as the standard has it.
    ("svix", "standardwebhooks, as svix names its headers", WHSEC, standard_webhooks("Svix"), BODIES),
    ("svix", "standardwebhooks", WHSEC, standard_webhooks(), BODIES),
    ("gitlab", "standardwebhooks", WHSEC, standard_webhooks(), BODIES),
]

for scheme, signed_by, (secret, other_secret), sign, bodies in SIGNS:
    for body in bodies:
        line = {"scheme": scheme, "signed_by": signed_by, "secret": secret, "other_secret": other_secret}
        line |= {"headers": sign(secret, body), "body_base64": base64.b64encode(body.encode()).decode()}
        print(json.dumps(line))
