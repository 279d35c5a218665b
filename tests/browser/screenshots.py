"""The README's pictures of the inbox, of a real run with plausible deliveries.

make screenshots calls it: tests/browser/screenshots.py FOLDER
"""

import base64
import hmac
import json
import pathlib
import random
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from browser import Page, driver
from local import PROJECT, Local, wait

WINDOW = (1180, 760)
# What README can carry, in bytes.
LARGEST = 200_000
BY_CHANCE = random.Random(7)


def plausible(local):
    """Half a minute of a small company; the id of the delivery to show."""
    objects = [f"photos/2026/11/IMG_{4100 + number}.jpg" for number in range(9)] + ["invoices/2026-118.pdf", "invoices/2026-119.pdf", "backups/crm.sql.gz"]
    path, _ = local.endpoint("try stripe")
    shop, _ = local.endpoint("shop, staging")
    for number, key in enumerate(objects):
        # So that the arrivals have a shape.
        time.sleep(BY_CHANCE.choice([0.3, 1, 2, 4]))
        if number == 6:
            lost = intdash("00000000-0000-4000-8000-00000000dead")
            local.curl("/hooks/intdash", lost[0], "-H", f"x-intdash-signature-256: {lost[1]}")
        local.s3.put_object(Bucket="origin", Key=key, Body=BY_CHANCE.randbytes(4000))
        if BY_CHANCE.random() < 0.5:
            local.deliver(path, json.dumps({"id": f"evt_{BY_CHANCE.randrange(10**12):x}", "type": BY_CHANCE.choice(["payment_intent.succeeded", "invoice.paid", "charge.refunded"]), "livemode": False, "data": {"object": {"amount": 1900, "currency": "eur"}}}))
        if BY_CHANCE.random() < 0.3:
            local.deliver(shop, json.dumps({"event": "order.created", "order": BY_CHANCE.randrange(10**5)}))
    wait("all deliveries", lambda: len(local.api("GET", "deliveries?source=vk&limit=200")["deliveries"]) >= len(objects))
    local.deliver("/hooks/intdash", '{"resource_type":"measurement","action":"completed"}', status=401)
    local.curl("/hooks/vk", json.dumps({"Type": "SubscriptionConfirmation", "Timestamp": "2020-06-15T15:01:13+03:00", "SignatureVersion": 1,
                                        "TopicArn": f"{PROJECT}|origin|s3:ObjectCreated:*,s3:ObjectRemoved:*", "Token": "E2itMqAMUVVZc51pUhFWSp13DoxezvRxkUh5P7LEuk1dEe9y"}))
    local.deliver("/hooks/vk", local.of_storage("contracts/signed.pdf", bucket="somebody-elses"), status=403)
    local.s3.delete_object(Bucket="origin", Key=objects[0])
    shown = local.of_storage("invoices/2026-119.pdf", awsRegion="ru-msk", eventTime="2026-11-22T10:00:00.123Z")
    return local.deliver("/hooks/vk", shown)


def intdash(measurement):
    """A delivery that tells of a measurement, and its signature by the local secret."""
    body = json.dumps({"resource_type": "measurement", "action": "completed", "measurement_uuid": measurement, "project_uuid": "00000000-0000-0000-0000-000000000000",
                       "delivery_uuid": measurement, "hook_uuid": measurement, "occurred_at": "2026-11-22T10:00:00Z"})
    digest = hmac.digest(b"local-secret-of-exactly-32-chars", body.encode(), "sha256")
    return body, base64.b64encode(digest).decode()


def save(page, path):
    page.js("document.activeElement.blur()")
    page.browser.save_screenshot(str(path))
    assert path.stat().st_size < LARGEST, f"{path}: {path.stat().st_size} bytes"
    print(f"{path}: {path.stat().st_size} bytes")


def main(folder):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        local = Local(scratch)
        browser = driver(scratch)
        try:
            shown = plausible(local)
            page = Page(browser, local, scratch)
            for dark in (False, True):
                page.look(WINDOW, dark)
                page.enter()
                page.row(shown)
                save(page, folder / f"inbox-{'dark' if dark else 'light'}.png")
            page.look((WINDOW[0], 980))
            page.go(f"/delivery/{shown}")
            page.shows("Attempt 1")
            save(page, folder / "inbox-delivery.png")
        finally:
            browser.quit()
            local.close()


main(pathlib.Path(sys.argv[1]))
