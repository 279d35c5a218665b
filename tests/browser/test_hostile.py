"""What a sender could write to harm whoever looks. After each test `conftest.py` checks that nothing ran, opened or left."""

import gzip
import json
import time

import pytest
from local import wait

SCRIPT = "<script>window.canary=1</script><img src=x onerror=window.canary=1><svg onload=window.canary=1>\"'><iframe src=javascript:canary=1>"
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
CONTROLS = "".join(chr(code) for code in (*range(1, 32), 127, *range(0x80, 0xA0)))
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u3164\u2028\u2029\U000e0041"
# As long as the page may take no key and no click, in seconds.
HANG = 1.5


@pytest.fixture
def post(inbox):
    """Posts to an endpoint, opens what arrived, and returns how long the page did not answer meanwhile."""
    path, _ = inbox.local.endpoint(SCRIPT[:60])

    def posted(body, *arguments):
        identity = inbox.local.deliver(path, body, *arguments)
        longest = inbox.spent(lambda: (inbox.go(f"/delivery/{identity}"), wait("the body", lambda: inbox.text(".content"))))
        print(f"{body[:20]!r}: the page did not answer for {longest:.2f} s")
        assert longest < HANG, f"the page did not answer for {longest:.2f} s"
        return identity

    return posted


def every_tab(inbox):
    """Shows the body in every way, and everything that is folded; how long the page did not answer."""
    longest = 0
    for tab in inbox.all("[role=tab]"):
        longest = max(longest, inbox.spent(tab.click))
        for _ in range(3):
            for more in inbox.all("main .more")[:4]:
                if more.text.startswith(("show", "Show")):
                    longest = max(longest, inbox.spent(lambda: inbox.js("arguments[0].click()", more)))
    assert longest < HANG, f"the page did not answer for {longest:.2f} s"
    return longest


def test_scripts_in_every_field_are_text(inbox, post):
    body = json.dumps({"type": SCRIPT, "id": SCRIPT, SCRIPT: [SCRIPT]})
    post(body, "-H", f"x-script: {SCRIPT}", "-H", f"user-agent: {SCRIPT}", "-H", f"referer: javascript:{SCRIPT}", "-H", f"content-type: text/html{SCRIPT[:40]}")
    inbox.shows("<script>window.canary=1</script>")
    every_tab(inbox)
    key = f"{SCRIPT}.jpg"
    identity = inbox.local.deliver("/hooks/vk", inbox.local.of_storage(key))
    inbox.go("/")
    assert "<script>" in inbox.row_text(identity)
    inbox.go(f"/delivery/{identity}")
    inbox.shows("<script>", "h1")
    # Also in the address of the page itself.
    inbox.go("/?text=%3Cscript%3Ewindow.canary=1%3C/script%3E&source=%3Cimg src=x onerror=canary=1%3E")
    inbox.shows("Nothing that is kept matches")
    inbox.go("/?status=%3Cimg src=x onerror=canary=1%3E")
    inbox.shows("Nothing can be listed: status: expected one of")
    inbox.press("Show everything")
    inbox.row(identity)
    inbox.go("/delivery/%3Cimg%20src=x%3E")
    inbox.find("main")


def test_signs_that_turn_text_around_or_hide_are_spelt_out(inbox, post):
    key = f"invoice{BIDI}gpj.exe{INVISIBLE}"
    identity = inbox.local.deliver("/hooks/vk", inbox.local.of_storage(key))
    inbox.go("/")
    inbox.row(identity)
    for where, route in (("the row", "/"), ("the delivery", f"/delivery/{identity}")):
        inbox.go(route)
        inbox.shows("U+202E", f'.row[data-id="{identity}"]' if route == "/" else "h1")
        shown = inbox.js("return document.querySelector('main').textContent")
        assert not [sign for sign in BIDI + INVISIBLE if sign in shown], where
    post(f"{BIDI} then {CONTROLS} then {INVISIBLE} plain")
    inbox.press("Raw")
    shown = inbox.js("return document.querySelector('.content').textContent")
    assert not [sign for sign in BIDI + INVISIBLE + CONTROLS if sign in shown and sign not in "\n\t"]
    for spelt in ("U+202E", "U+061C", "U+0007", "U+0085", "\\r", "U+E0041"):
        assert spelt in shown, (spelt, shown)
    assert inbox.js("return getComputedStyle(document.querySelector('.foreign')).unicodeBidi") == "isolate"


def test_bytes_that_are_no_utf_8_are_shown_as_bytes(inbox, post):
    post(b"ok \xff\xfe \xe2\x82 \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x9c\x93", "-H", b"x-latin: caf\xe9".decode("latin-1").encode("latin-1"))
    assert inbox.text("[role=tab][aria-selected=true]") == "Hex"
    inbox.press("Raw")
    inbox.shows(r"ok \xFF \xFE \xE2 \x82 \xC0 \xAF \xED \xA0 \x80 \xF4 \x90 \x80 \x80 ✓", ".content")


def test_six_megabytes_are_shown_by_their_beginning(inbox, post):
    body = b'{"rows":[' + b",".join(b'{"n":%d,"text":"%s"}' % (number, b"x" * 80) for number in range(52000)) + b"]}"
    assert len(body) > 5_000_000
    identity = post(body[: 6 * 1024 * 1024 - 2048])
    inbox.shows("the first 256 KiB of", ".tabs")
    print(f"6 MB: the page did not answer for {every_tab(inbox):.2f} s at the most")
    inbox.go("/")
    inbox.row(identity)


def test_what_is_compressed_stays_compressed(inbox, post):
    bomb = gzip.compress(b"\0" * 200_000_000, 9)
    post(bomb, "-H", "content-encoding: gzip")
    inbox.shows("nothing is unpacked")
    inbox.shows("1f 8b 08", ".content")
    every_tab(inbox)


def test_hundreds_of_headers_are_shown_bit_by_bit(inbox, post):
    # The local server takes a hundred with curl's own.
    headers = [argument for number in range(85) for argument in ("-H", f"x-many-{number:03}: {'v' * 600}{number}")]
    post("{}", *headers)
    inbox.shows("x-many-000", ".headers")
    for _ in range(3):
        if inbox.has(".headers .more"):
            inbox.js("for (const one of document.querySelectorAll('.headers .more')) one.click()")
    inbox.shows("x-many-084", ".headers")


def test_json_a_hundred_thousand_deep_does_not_hang(inbox, post):
    post(b"[" * 100_000)
    inbox.shows("nested deeper than 200", ".content")
    every_tab(inbox)
    post(b'{"a":' * 40_000 + b"1" + b"}" * 40_000)
    inbox.shows("nested deeper than 200", ".content")


def test_one_endless_line_or_value_does_not_hang(inbox, post):
    for body in (b'"' + b"a" * 250_000 + b'"', b"[" + b"1," * 100_000 + b"1]", ("\u202ea" * 60_000).encode(), b"\\\"" * 100_000, b"-" * 200_000, b'["' + b"\\\\" * 100_000 + b'"]'):
        post(body)
        every_tab(inbox)


def test_a_flood_of_hostile_titles_leaves_the_list_usable(inbox):
    for number in range(40):
        last = inbox.local.deliver("/hooks/vk", inbox.local.of_storage(f"{SCRIPT}{BIDI * 9}{number}" + "é\u0301" * 50))
    began = time.monotonic()
    inbox.row(last)
    longest = inbox.spent(lambda: wait("a look", lambda: time.monotonic() - began > 2))
    assert longest < HANG
    assert inbox.overflow() <= 0
