"""Without a mouse: everything can be reached, and the focus is always seen."""

from local import TOKEN, wait
from selenium.webdriver.common.keys import Keys


def focused(page):
    return page.js("const of = document.activeElement; return spoken(of); function spoken(of) { return (of.getAttribute('aria-label') || of.innerText || of.id || of.tagName).trim().slice(0, 60); }")


def ringed(page):
    """Whether the focus can be seen: an outline that is not nothing."""
    return page.js("const of = document.activeElement, look = getComputedStyle(of); return of.matches(':focus-visible') && look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2")


def test_a_walk_from_the_login_to_a_replay_by_keys_alone(page):
    local = page.local
    local.s3.put_object(Bucket="origin", Key="by keys.txt", Body=b"keys")
    first = local.deliver("/hooks/vk", local.of_storage("by keys.txt"))
    local.attempts(first, 1)
    second = local.deliver("/hooks/vk", local.of_storage("later by keys.txt"))
    local.attempts(second, 1)
    page.open()
    wait("the form has the focus", lambda: page.js("return document.activeElement.id") == "token")
    page.keys(*TOKEN, Keys.ENTER)
    page.row(first)
    # The skip link is the first stop of a page that was just loaded.
    page.browser.refresh()
    page.row(first)
    page.keys(Keys.TAB)
    assert focused(page) == "Skip to the content"
    assert ringed(page)
    page.keys(Keys.ENTER)
    at = f"return document.activeElement.closest('.row')?.dataset.id"
    page.keys("j")
    assert page.js(at) == page.ids()[0]
    page.keys("j", "k", Keys.ARROW_DOWN)
    assert page.js(at) == page.ids()[1]
    while page.js(at) != first:
        page.keys("j")
    assert ringed(page)
    page.keys("x")
    page.shows("1 selected", ".selected")
    page.keys("x")
    page.keys(Keys.ENTER)
    page.shows("by keys.txt", "h1")
    assert page.route() == f"/delivery/{first}"
    page.keys("k")
    wait("the newer one", lambda: page.route() == f"/delivery/{second}")
    page.shows("later by keys.txt", "h1")
    page.keys("j")
    wait("the older one", lambda: page.route() == f"/delivery/{first}")
    page.shows("Attempt 1")
    page.keys("r")
    page.shows("Replay this delivery?", "dialog")
    page.keys(Keys.ESCAPE)
    wait("the dialog closes", lambda: not page.has("dialog"))
    page.keys("r")
    page.shows("Replay this delivery?", "dialog")
    while focused(page) != "Replay":
        page.keys(Keys.TAB)
    assert ringed(page)
    page.keys(Keys.ENTER)
    page.shows("Attempt 2")
    page.keys(Keys.ESCAPE)
    wait("the list", lambda: page.route() == "/")
    wait("the row that was left has the focus", lambda: page.js(at) == first)


def test_a_key_each_for_the_views_the_search_and_the_help(inbox):
    for key, route in (("m", "/mirror"), ("e", "/endpoints"), ("i", "/")):
        inbox.keys(key)
        wait(key, lambda route=route: inbox.route() == route)
    inbox.keys("/")
    wait("the search", lambda: inbox.js("return document.activeElement.id") == "search")
    inbox.keys("m", Keys.ESCAPE)
    assert inbox.route().startswith("/") and inbox.route() != "/mirror", "letters are typed there"
    inbox.go("/")
    inbox.keys(Keys.ESCAPE, "?")
    inbox.shows("Keys", "dialog h2")
    assert inbox.violations() == []
    # They can be turned off, for who speaks to the machine.
    inbox.js("document.querySelector('dialog input').click()")
    inbox.keys(Keys.ESCAPE)
    wait("the dialog closes", lambda: not inbox.has("dialog"))
    inbox.keys("m")
    assert inbox.route() != "/mirror"
    inbox.js("localStorage.clear()")
    inbox.browser.refresh()
    inbox.find(".row")


def test_every_control_of_every_view_can_be_reached_by_tab(inbox):
    identity = inbox.local.deliver("/hooks/vk", inbox.local.of_storage("tabs.txt"))
    for route in ("/?text=tabs.txt", f"/delivery/{identity}", "/mirror", "/endpoints"):
        inbox.go(route)
        inbox.find("main h1, main .row")
        wait("it is drawn", lambda: "Loading" not in inbox.text())
        wanted = inbox.js("""
            const shown = (one) => one.checkVisibility() && !one.disabled && one.tabIndex >= 0;
            const all = [...document.querySelectorAll('a[href], button, input, select, [tabindex]')].filter(shown);
            window.wanted = new Set(all); window.reached = new Set(); document.activeElement.blur(); return all.length;""")
        hidden = 0
        for _ in range(wanted + 12):
            inbox.keys(Keys.TAB)
            inbox.js("reached.add(document.activeElement)")
            hidden += not (ringed(inbox) or inbox.js("return document.activeElement === document.body"))
        missed = inbox.js("return [...wanted].filter((one) => one.isConnected && !reached.has(one)).map((one) => one.outerHTML.slice(0, 120))")
        assert missed == [], route
        assert hidden == 0, f"{route}: {hidden} stops without a visible focus"
