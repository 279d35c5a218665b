"""Every view, in light and dark, on a desk and on a phone: no violation of axe-core's rules, nothing wider than the window."""

import itertools
import json

import pytest
from browser import DESKTOP, PHONE
from local import PROJECT, wait


@pytest.fixture(scope="module")
def plenty(local):
    """A delivery of each kind, and the views that show them."""
    local.s3.put_object(Bucket="origin", Key="looks/a rather long name of an object, as people give them.txt", Body=b"x")
    done = local.deliver("/hooks/vk", local.of_storage("looks/a rather long name of an object, as people give them.txt"), "-H", "x-long: " + "abc " * 200)
    refused = local.deliver("/hooks/vk", "<\u202e{", status=400)
    local.curl("/hooks/vk", json.dumps({"Type": "SubscriptionConfirmation", "Timestamp": "2020-06-15T15:01:13+03:00", "SignatureVersion": 1,
                                        "TopicArn": f"{PROJECT}|origin|s3:ObjectCreated:*", "Token": "E2itMqAMUVVZc51pUhFWSp13DoxezvRxkUh5P7LEuk1dEe9y"}))
    handshake = local.api("GET", "deliveries?status=handshake&limit=1")["deliveries"][0]["id"]
    path, _ = local.endpoint("a webhook of my own")
    binary = local.deliver(path, bytes(range(256)) * 8)
    local.attempts(done, 1)
    return {"list": "/", "found": "/?status=rejected", "nothing": "/?text=nothing-has-this", "done": f"/delivery/{done}", "refused": f"/delivery/{refused}",
            "handshake": f"/delivery/{handshake}", "binary": f"/delivery/{binary}", "gone": "/delivery/0", "mirror": "/mirror", "endpoints": "/endpoints"}


@pytest.mark.parametrize(("size", "dark"), itertools.product([DESKTOP, PHONE], [False, True]),
                         ids=lambda of: {DESKTOP: "desk", PHONE: "phone", True: "dark", False: "light"}[of])
def test_every_view_follows_axe_and_fits(inbox, plenty, size, dark):
    inbox.look(size, dark)
    for name, route in plenty.items():
        inbox.go(route)
        wait(f"{name} is drawn", lambda: inbox.has("main h1") and "Loading" not in inbox.text() and (inbox.route() == route))
        inbox.js("return document.fonts.ready")
        wait(f"{name} has its rows", lambda: name not in ("list", "found") or inbox.has(".row"))
        assert inbox.overflow() <= 0, f"{name} is wider than the window"
        assert inbox.violations() == [], name
    ground = inbox.js("return getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == dark, ground


@pytest.mark.parametrize(("size", "dark"), itertools.product([DESKTOP, PHONE], [False, True]),
                         ids=lambda of: {DESKTOP: "desk", PHONE: "phone", True: "dark", False: "light"}[of])
def test_the_login_and_the_dialogs_follow_axe_and_fit(page, plenty, size, dark):
    page.look(size, dark)
    page.open()
    page.find("#token")
    # Only a few wrong tokens a minute are free.
    if dark == (size == PHONE):
        page.log_in("wrong")
        page.shows("That is not")
    assert (page.overflow() <= 0, page.violations()) == (True, [])
    page.log_in()
    page.find(".row")
    page.press("Replay found")
    page.shows("Replay", "dialog h2")
    wait("it is counted", lambda: "Counting" not in page.text("dialog"), 30)
    assert (page.overflow() <= 0, page.violations()) == (True, [])
    page.press("Cancel", "dialog")
    page.go(plenty["done"])
    page.press("Replay")
    assert (page.overflow() <= 0, page.violations()) == (True, [])
    page.press("Cancel", "dialog")


def test_colours_are_never_alone(inbox):
    """Each state is a word too, also where colours are not seen."""
    assert inbox.js("return [...document.querySelectorAll('.state')].every((one) => one.textContent.trim().length > 3)")
    inbox.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "forced-colors", "value": "active"}]})
    assert inbox.js("return [...document.querySelectorAll('.row .state')].every((one) => one.checkVisibility())")
