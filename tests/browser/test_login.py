"""Who gets in, and how it ends."""

import urllib.error
import urllib.request

from local import TOKEN, wait


def test_without_a_session_there_is_the_form_and_no_data(page):
    try:
        urllib.request.urlopen(page.local.inbox, timeout=10)
        raise AssertionError("it was let in")
    except urllib.error.HTTPError as answer:
        status, refused = answer.code, answer.read()
    assert status == 401
    page.enter()
    page.find(".row")
    let_in = page.browser.execute_async_script("fetch('/inbox').then((answer) => answer.text()).then(arguments[0])")
    assert let_in.encode() == refused, "the page is the same file, with or without a session"


def test_a_wrong_token_is_refused_in_words_and_the_right_one_lets_in(page):
    page.open("/mirror")
    page.find("#token")
    page.log_in("not the token")
    page.shows("That is not the inbox’s token.")
    page.log_in()
    page.shows("Mirror", "h1")
    assert page.route() == "/mirror"
    (cookie,) = page.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/inbox"), cookie
    assert page.js("return document.cookie") == ""
    assert TOKEN not in page.js("return JSON.stringify([{...localStorage}, {...sessionStorage}])")


def test_a_lost_session_asks_for_the_token_and_returns_to_where_one_was(inbox):
    inbox.go("/endpoints")
    inbox.shows("Endpoints", "h1")
    inbox.forget_session()
    inbox.find("#token", 15)
    assert "Endpoints" not in inbox.text()
    inbox.log_in()
    inbox.shows("Endpoints", "h1")
    assert inbox.route() == "/endpoints"


def test_logging_out_ends_the_session(inbox):
    inbox.press("Log out", "header")
    inbox.find("#token")
    assert inbox.cookies() == []
    inbox.open()
    inbox.find("#token")
    assert not inbox.has(".row")


def test_an_unreachable_function_is_told_quietly_and_tried_again(inbox):
    network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    inbox.browser.execute_cdp_cmd("Network.enable", {})
    inbox.browser.execute_cdp_cmd("Network.emulateNetworkConditions", network | {"offline": True})
    inbox.shows("cannot be reached", ".banner", 5)
    rows = inbox.ids()
    assert rows, "what was there can still be read"
    inbox.browser.execute_cdp_cmd("Network.emulateNetworkConditions", network | {"offline": False})
    wait("the banner goes", lambda: inbox.text(".banner") == "", 20)


def test_too_many_wrong_tokens_are_told_how_long_to_wait(page_alone):
    page = page_alone
    page.open()
    for number in range(6):
        wait("the form", lambda: page.has("#token") and page.button("Log in").is_enabled())
        page.log_in(f"wrong {number}")
        wait("an answer", lambda: page.text(".login .error"))
        if "Too many" in page.text(".login .error"):
            break
    page.shows("Too many attempts. Try again in")
    assert number >= 4, "a few are free"
    assert not page.button("Log in").is_enabled()
    seconds = int(page.text(".login .error").split()[-2])
    assert 0 < seconds <= 60, seconds
