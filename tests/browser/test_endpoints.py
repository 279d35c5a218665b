"""A webhook of one's own, from the form to the delivery."""

import subprocess

from local import wait


def make(inbox, name):
    """By the form; the line of curl that is shown."""
    inbox.go("/endpoints")
    inbox.type("#endpoint-name", name)
    inbox.press("Get my webhook")
    inbox.shows(f"Your webhook is ready: {name}")
    return inbox.js("return document.querySelector('pre[aria-label=\"A line of curl with the token in a header\"]').textContent")


def test_an_endpoint_is_made_and_what_is_posted_to_it_appears(inbox):
    line = make(inbox, "try stripe")
    assert "authorization: Bearer " in line
    assert inbox.violations() == []
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, env={"PATH": "/usr/bin:/bin"})
    assert " 200 " in done.stdout.splitlines()[0], done.stdout
    assert '"recorded":true' in done.stdout, done.stdout
    inbox.press("Watch it")
    (identity,) = wait("the delivery", inbox.ids)
    assert "recorded" in inbox.row_text(identity)
    assert "try stripe" in inbox.row_text(identity), "by the name that it was given"
    # The other way, for senders that cannot set a header.
    inbox.browser.back()
    inbox.shows("Endpoints", "h1")


def test_the_token_is_shown_once(inbox):
    line = make(inbox, "once")
    token = line.split("Bearer ")[1].split('"')[0]
    assert token in inbox.text()
    inbox.browser.refresh()
    inbox.shows("once")
    assert token not in inbox.js("return document.documentElement.outerHTML")


def test_the_url_with_the_token_in_it_takes_deliveries_too(inbox):
    make(inbox, "no header")
    url = inbox.js("return document.querySelector('pre[aria-label=\"URL with the token in it\"]').textContent")
    assert url.startswith(inbox.local.url)
    identity = inbox.local.deliver(url.removeprefix(inbox.local.url), "plain")
    inbox.go(f"/delivery/{identity}")
    inbox.shows("Recorded by an endpoint")
    assert url.rsplit("/", 1)[1] not in inbox.text(), "its token is not shown with the delivery"


def test_an_endpoint_is_deleted_after_a_question(inbox):
    path, _ = inbox.local.endpoint("to be deleted")
    inbox.go("/endpoints")
    inbox.shows("to be deleted")
    row = "button[aria-label='Delete to be deleted …']"
    inbox.find(row).click()
    inbox.shows("Delete this endpoint?", "dialog")
    inbox.press("Cancel", "dialog")
    wait("the dialog closes", lambda: not inbox.has("dialog"))
    inbox.find(row).click()
    inbox.press("Delete", "dialog")
    wait("it goes", lambda: "to be deleted" not in inbox.text())
    wait("it is known no more", lambda: inbox.local.curl(path, "x")[0] == 404, 15, 0.5)


def test_names_with_control_signs_are_shown_as_they_are(inbox):
    inbox.local.endpoint("turned \u202e around")
    inbox.go("/endpoints")
    inbox.shows("U+202E")
    inbox.go("/")
    inbox.find(".row")
