"""One delivery: what became of it in plain words, its bytes, and what can be done with it."""

import json
import re
import subprocess

import pytest
from local import PROJECT, wait
from selenium.webdriver.common.keys import Keys


def test_each_verdict_is_told_in_plain_words_with_what_to_do(inbox):
    local = inbox.local
    local.s3.put_object(Bucket="origin", Key="told.txt", Body=b"told")
    path, _ = local.endpoint("verdicts")
    for identity, sentence, todo in [
        (local.deliver("/hooks/vk", local.of_storage("told.txt")), "Accepted, and its work is done.", "Nothing is left to do."),
        (local.deliver("/hooks/vk", "{", status=400), "Refused: this is not what a sender of this kind sends.", "Check that the sender was given the URL"),
        (local.deliver("/hooks/intdash", "{}", status=401), "Refused: nothing proves that it came from intdash.", "its secret and the one in the function’s secrets differ"),
        (local.deliver("/hooks/vk", local.of_storage("x", bucket="not-ours"), status=403), "Refused: it tells of a project or a bucket", "add the bucket"),
        (local.deliver("/hooks/nobody", "{}", status=404), "Refused: no such source", "Compare the URL"),
        (local.deliver("/hooks/vk", local.of_storage("told.txt", event="s3:ObjectAccessed:Get")), "Accepted, and there was nothing to do for it.", "compare the settings"),
        (local.deliver(path, "anything"), "Recorded by an endpoint of your own.", "Copy it as curl"),
    ]:
        inbox.go(f"/delivery/{identity}")
        inbox.shows(sentence, ".verdict")
        assert todo in inbox.text(".verdict"), inbox.text(".verdict")
        assert identity in inbox.text()


def test_a_handshake_shows_the_url_that_was_signed_and_what_others_would_have_given(inbox):
    local = inbox.local
    body = json.dumps({"Type": "SubscriptionConfirmation", "Timestamp": "2020-06-15T15:01:13+03:00", "SignatureVersion": 1,
                       "TopicArn": f"{PROJECT}|origin|s3:ObjectCreated:*,s3:ObjectRemoved:*", "Token": "E2itMqAMUVVZc51pUhFWSp13DoxezvRxkUh5P7LEuk1dEe9y"})
    status, _, content = local.curl("/hooks/vk", body)
    assert status == 200
    signature = json.loads(content)["signature"]
    (identity,) = [one["id"] for one in local.api("GET", "deliveries?status=handshake&limit=1")["deliveries"]]
    inbox.go(f"/delivery/{identity}")
    inbox.shows("A handshake", ".verdict")
    rows = [(row.find_element("css selector", "th").text.split()[0], row.find_element("css selector", "td").text) for row in inbox.all("table tbody tr") if "sig" in (row.find_element("css selector", "td").get_attribute("class") or "")]
    assert rows[0] == (f"{local.url}/hooks/vk", signature)
    place = local.url.removeprefix("http://")
    assert {url for url, _ in rows} == {f"{scheme}://{place}/hooks/vk{slash}" for scheme in ("http", "https") for slash in ("", "/")}
    assert len(set(dict(rows).values())) == len(rows), "each spelling has a signature of its own"
    assert not inbox.button("Replay").is_enabled()


def test_json_is_laid_out_as_it_was_written(inbox):
    written = '{"big":12345678901234567890,"tiny":1.0e-400,"twice":1,"twice":2,"escaped":"\\u041f\\u202e","list":[1.50,-0,true,null,{}]}'
    path, _ = inbox.local.endpoint("json")
    inbox.go(f"/delivery/{inbox.local.deliver(path, written)}")
    wait("the body", lambda: inbox.text(".content"))
    shown = inbox.js("return [...document.querySelectorAll('.content .line')].map((line) => line.textContent)")
    assert shown == ["{", '"big": 12345678901234567890,', '"tiny": 1.0e-400,', '"twice": 1,', '"twice": 2,', '"escaped": "\\u041f\\u202e",',
                     '"list": [', "1.50,", "-0,", "true,", "null,", "{}", "]", "}"], shown


def test_the_body_is_shown_raw_and_in_hex_by_keyboard(inbox):
    path, _ = inbox.local.endpoint("tabs")
    identity = inbox.local.deliver(path, "first line\n\tsecond ✓")
    inbox.go(f"/delivery/{identity}")
    inbox.find('[role=tab][aria-selected=true]')
    inbox.js("document.querySelector('[role=tab][aria-selected=true]').focus()")
    assert inbox.text("[role=tab][aria-selected=true]") == "Raw"
    assert inbox.js("return document.querySelector('.content').textContent") == "first line\n\tsecond ✓"
    inbox.keys(Keys.ARROW_RIGHT)
    wait("hex", lambda: inbox.text("[role=tab][aria-selected=true]") == "Hex")
    assert "66 69 72 73 74 20 6c 69 6e 65 0a" in inbox.text(".content")
    inbox.keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    wait("json", lambda: inbox.text("[role=tab][aria-selected=true]") == "JSON")
    assert "As it came" in inbox.text(".content") or "as it came" in inbox.text(".content")


def test_headers_are_shown_in_order_and_secrets_are_left_out(inbox):
    identity = inbox.local.deliver("/hooks/vk", inbox.local.of_storage("headers.txt"), "-H", "Authorization: Bearer hunter2", "-H", "X-Colour: blue")
    inbox.go(f"/delivery/{identity}")
    inbox.shows("blue", ".headers")
    assert "authorization left out: a secret or a signature" in inbox.text(".headers").lower()
    assert "hunter2" not in inbox.js("return document.documentElement.textContent")


def test_attempts_have_receipts_and_objects_links(inbox):
    local = inbox.local
    local.s3.put_object(Bucket="origin", Key="receipt.txt", Body=b"receipt")
    identity = local.deliver("/hooks/vk", local.of_storage("receipt.txt"))
    inbox.go(f"/delivery/{identity}")
    inbox.shows("Attempt 1")
    inbox.shows("fingerprint", ".attempt")
    inbox.shows("s3://backup/receipt.txt")


def test_the_line_of_curl_makes_the_same_delivery_again(inbox):
    body = inbox.local.of_storage("it's \"quoted\" $HOME `x` \\ ✓.txt")
    identity = inbox.local.deliver("/hooks/vk", body)
    inbox.go(f"/delivery/{identity}")
    inbox.button("Copy as curl")
    line = inbox.js("return document.querySelector('pre[aria-label=\"This delivery as a line of curl\"]').textContent")
    # Without a gateway the function does not know where it was called.
    line = re.sub(r"http://127\.0\.0\.1:8080/hooks/(vk)?(?=')", f"{inbox.local.url}/hooks/vk", line)
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    newest = inbox.local.api("GET", "deliveries?limit=10")["deliveries"]
    again = next(one for one in newest if one["duplicate_of"] == identity)
    assert inbox.local.delivery(again["id"])["body"]["base64"] == inbox.local.delivery(identity)["body"]["base64"]


def test_what_is_copied_is_in_the_clipboard_to_the_letter(inbox):
    inbox.browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": inbox.local.url})
    identity = inbox.local.deliver("/hooks/vk", inbox.local.of_storage("copied \u202e back.txt"))
    inbox.go(f"/delivery/{identity}")
    inbox.press("Copy as curl")
    inbox.button("Copied")
    copied = inbox.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0], (error) => arguments[0](String(error)))")
    assert copied == inbox.local.delivery(identity)["curl"]


def test_the_body_and_the_fixture_can_be_saved(inbox):
    body = bytes(range(256)) * 16384
    path, _ = inbox.local.endpoint("large")
    identity = inbox.local.deliver(path, body, "-H", "content-type: application/octet-stream")
    inbox.go(f"/delivery/{identity}")
    inbox.press("Download the body")
    wait("all of it", lambda: len(inbox.downloaded(f"{identity}.body")) == len(body), 20)
    assert inbox.downloaded(f"{identity}.body") == body, "4 MiB, in two pieces"
    small = inbox.local.deliver("/hooks/vk", inbox.local.of_storage("fixture.txt"), "-H", "authorization: Bearer hunter2")
    inbox.go(f"/delivery/{small}")
    inbox.press("Export as fixture")
    event = json.loads(inbox.downloaded(f"{small}.json"))
    assert event["version"] == "2.0"
    assert event["requestContext"]["http"]["method"] == "POST"
    assert "hunter2" not in json.dumps(event)


def test_what_failed_and_is_replayed_has_its_attempts_from_then_on(inbox):
    local = inbox.local
    accepted = local.deliver("/hooks/vk", local.of_storage("mended.txt"))
    # The same as if a secret had been missing when it came.
    identity = accepted[:-4] + "0000"
    place = local.files(accepted)[0]
    head, body = local.s3.get_object(Bucket="state", Key=place)["Body"].read().split(b"\n", 1)
    head = json.loads(head) | {"delivery": identity, "verdict": "failed", "reason": "no secret", "planned": []}
    title = place.split(".")[-1]
    local.s3.put_object(Bucket="state", Key=f"{place.split('/0.')[0][:-4]}0000/0.failed.vk.{len(body)}.0..{title}", Body=json.dumps(head).encode() + b"\n" + body)
    inbox.go(f"/delivery/{identity}")
    inbox.shows("Our side failed before it could be worked on")
    assert "Attempts" not in inbox.text("main")
    inbox.press("Replay …")
    inbox.press("Replay", "dialog")
    inbox.shows("Replayed, and its work is done.")
    inbox.shows("Attempt 1")


def test_a_delivery_that_is_not_kept_is_said_to_be_gone(inbox):
    inbox.go("/delivery/01890000-0000-7000-8000-000000000000")
    inbox.shows("No such delivery is kept")


@pytest.mark.parametrize("agree", [False, True], ids=["cancelled", "agreed"])
def test_replaying_asks_first_and_adds_an_attempt(inbox, agree):
    local = inbox.local
    local.s3.put_object(Bucket="origin", Key="again.txt", Body=b"again")
    identity = local.deliver("/hooks/vk", local.of_storage("again.txt"))
    local.attempts(identity, 1)
    inbox.go(f"/delivery/{identity}")
    inbox.shows("Attempt 1")
    inbox.press("Replay")
    inbox.shows("Replay this delivery?", "dialog")
    inbox.press("Replay" if agree else "Cancel", "dialog")
    if agree:
        inbox.shows("Attempt 2")
        inbox.shows("replayed", ".attempt:last-of-type")
        assert local.attempts(identity, 2)[-1]["by"] == "replay"
    else:
        wait("the dialog closes", lambda: not inbox.has("dialog"))
        assert len(local.delivery(identity)["attempts"]) == 1
    assert inbox.focused("return document.activeElement.textContent").startswith("Replay"), "the focus is where it was"
