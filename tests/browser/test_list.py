"""The list: live, still under the reader's eyes, filtered by its address."""

import concurrent.futures
import json
import subprocess
import time

from local import wait

# From the sender's answer until the row is there, in seconds.
SOON = 2.0


def test_a_delivery_is_seen_within_two_seconds(inbox, record_property):
    times = []
    for number in range(6):
        answered, _, content = inbox.local.curl("/hooks/vk", inbox.local.of_storage(f"soon-{number}.txt"))
        began = time.monotonic()
        assert answered == 200
        identity = json.loads(content)["delivery"]
        inbox.row(identity, SOON)
        times.append(time.monotonic() - began)
        assert f"soon-{number}.txt" in inbox.row_text(identity)
    print("seen after", ", ".join(f"{one:.2f}" for one in times), "s")
    record_property("seen_after", times)
    assert max(times) < SOON


def test_what_arrives_moves_neither_what_is_read_nor_the_focus(inbox):
    for number in range(30):
        last = inbox.local.deliver("/hooks/vk", inbox.local.of_storage(f"filler-{number}.txt"))
    inbox.row(last)
    inbox.js("scrollTo(0, 700)")
    read = inbox.js("return [...document.querySelectorAll('.row')].find((row) => row.getBoundingClientRect().top > 200).dataset.id")
    at = f"return document.querySelector('.row[data-id=\"{read}\"]').getBoundingClientRect().top"
    before = inbox.js(at)
    for number in range(3):
        new = inbox.local.deliver("/hooks/vk", inbox.local.of_storage(f"above-{number}.txt"))
    wait("the rows", lambda: new in inbox.ids())
    assert abs(inbox.js(at) - before) <= 1
    inbox.shows("3 new", ".arrived")
    # And so with the focus in a row at the top of the page.
    inbox.js("scrollTo(0, 0); document.querySelector('.row a').focus()")
    focused, top = inbox.js("const of = document.activeElement; return [of.closest('.row').dataset.id, of.getBoundingClientRect().top]")
    new = inbox.local.deliver("/hooks/vk", inbox.local.of_storage("under the focus.txt"))
    wait("the row", lambda: new in inbox.ids())
    assert inbox.js("const of = document.activeElement; return [of.closest('.row')?.dataset.id, Math.round(of.getBoundingClientRect().top)]") == [focused, round(top)]


def test_arrivals_are_told_to_who_cannot_see_them(inbox):
    inbox.local.deliver("/hooks/vk", inbox.local.of_storage("heard.txt"))
    inbox.shows("new deliver", "#said", 15)


def test_filters_are_in_the_address_and_survive_a_reload(inbox):
    refused = inbox.local.deliver("/hooks/intdash", '{"resource_type":"measurement"}', status=401)
    inbox.row(refused)
    inbox.choose("#filter-status", "refused")
    wait("only what was refused", lambda: inbox.ids() and set(inbox.js("return [...document.querySelectorAll('.row .state')].map((one) => one.className)")) == {"state refused"})
    assert inbox.route() == "/?status=refused"
    inbox.choose("#filter-source", "intdash")
    wait("both", lambda: inbox.route() == "/?status=refused&source=intdash")
    inbox.row(refused)
    inbox.browser.refresh()
    inbox.row(refused)
    assert inbox.js("return document.querySelector('#filter-source').value") == "intdash"
    inbox.choose("#filter-time", "1h")
    wait("the time", lambda: inbox.route() == "/?status=refused&source=intdash&last=1h")
    inbox.row(refused)
    # What arrives is filtered too.
    again = inbox.local.deliver("/hooks/intdash", '{"resource_type":"measurement"}', status=401)
    other = inbox.local.deliver("/hooks/vk", inbox.local.of_storage("not this one.txt"))
    inbox.row(again)
    assert other not in inbox.ids()


def test_the_search_finds_and_keeps_the_keyboard(inbox):
    found = inbox.local.deliver("/hooks/vk", inbox.local.of_storage("Needle In Hay.txt"))
    inbox.row(found)
    inbox.keys("/")
    inbox.keys(*"needle in")
    wait("one row", lambda: inbox.ids() == [found])
    assert "text=needle+in" in inbox.route()
    assert inbox.js("return document.activeElement.id") == "search"
    inbox.keys(*" h")
    wait("typed on", lambda: "text=needle+in+h" in inbox.route())
    inbox.row(found)
    inbox.browser.back()
    inbox.browser.forward()


def test_a_filter_that_matches_nothing_says_so(inbox):
    inbox.go("/?text=nothing-has-this-in-it")
    inbox.shows("Nothing")
    assert inbox.ids() == []
    inbox.press("Show everything", ".below")
    inbox.find(".row")


def test_what_has_another_state_by_now_leaves_a_filtered_list(inbox):
    local = inbox.local
    leaves, stays = (local.deliver("/hooks/vk", local.of_storage(f"state {name}.txt")) for name in ("one", "two"))
    for identity in (leaves, stays):
        local.attempts(identity, 1)
    inbox.go("/?status=done&text=state")
    wait("both", lambda: set(inbox.ids()) == {leaves, stays})
    # As the worker would write it.
    later = f"{int(time.time() * 1000) + 1000:012x}"
    failed = local.files(leaves)[0].split("/0.")[0] + f"/1.{later[:8]}-{later[8:]}-7000-8000-000000000000.queue.failed.0.1.5."
    local.s3.put_object(Bucket="state", Key=failed, Body=b"")
    wait("one has left", lambda: inbox.ids() == [stays], 5)
    local.s3.delete_object(Bucket="state", Key=failed)
    wait("and is back", lambda: set(inbox.ids()) == {leaves, stays}, 5)


def test_older_ones_are_fetched_when_asked_for(inbox):
    path, endpoint = inbox.local.endpoint("many")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda number: inbox.local.deliver(path, f'{{"number":{number}}}'), range(130)))
    inbox.go(f"/?source=in/{endpoint}")
    wait("the first page", lambda: len(inbox.ids()) == 50)
    assert {identity[:13] for identity in inbox.ids()} == {identity[:13] for identity in sorted(sent)[-50:]}, "the newest come first"
    inbox.press("Search further back", ".below")
    wait("the second page", lambda: len(inbox.ids()) == 130)
    # Ids begin with the millisecond; within one there is no order.
    times = [identity[:13] for identity in inbox.ids()]
    assert (set(inbox.ids()), times) == (set(sent), sorted(times, reverse=True))
    assert inbox.js("return document.activeElement.closest('.row')?.dataset.id") == inbox.ids()[50], "the focus is where the older ones begin"
    inbox.shows("130 deliveries", ".below")


def test_the_arrivals_are_drawn_by_state(inbox):
    inbox.local.deliver("/hooks/vk", "no json", status=400)
    inbox.shows("refused", ".arrivals")
    assert len(inbox.all(".arrivals rect")) > 0
    label = inbox.find(".arrivals svg").get_attribute("aria-label")
    assert "refused" in label, label
    inbox.find('.legend [data-state="refused"]').click()
    wait("the filter", lambda: inbox.route() == "/?status=refused")
    assert inbox.find('.legend [data-state="refused"]').get_attribute("aria-pressed") == "true"


def test_the_arrivals_say_whether_they_count_the_whole_list(inbox):
    path, endpoint = inbox.local.endpoint("counted")
    for number in range(49):
        inbox.local.deliver(path, f'{{"number":{number}}}')
    inbox.go(f"/?source=in/{endpoint}")
    inbox.shows("Counted: all 49 deliveries of this list", ".arrivals")
    for number in range(49, 51):
        inbox.local.deliver(path, f'{{"number":{number}}}')
    inbox.browser.refresh()
    inbox.shows("Counted: the newest 50 deliveries, those that are loaded", ".arrivals")


def test_the_same_bytes_again_are_marked_as_a_duplicate(inbox):
    body = inbox.local.of_storage("twice.txt")
    first = inbox.local.deliver("/hooks/vk", body)
    second = inbox.local.deliver("/hooks/vk", body)
    wait("the mark", lambda: "duplicate" in inbox.row_text(second))
    assert "duplicate" not in inbox.row_text(first)


def test_an_empty_inbox_teaches_the_first_delivery_and_its_line_works(page_alone):
    page = page_alone
    page.local.forget()
    page.enter()
    page.shows("Nothing has arrived yet")
    assert page.violations() == []
    lessons = page.js("return [...document.querySelectorAll('.snippet')].map((one) => [one.querySelector('pre').textContent, one.parentElement.querySelector('small').textContent])")
    assert len(lessons) == 5, "one of each source"
    for line, words in lessons:
        refused = "so it is refused" in words
        before = set(page.ids())
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30,
                              env={"PATH": "/usr/bin:/bin", "SECRET": "local-secret-of-exactly-32-chars"})
        assert (" 401 " if refused else " 200 ") in done.stdout.splitlines()[0], (words, done.stdout)
        wait("the first row", lambda: set(page.ids()) - before, SOON)
    page.find(".row")
    assert "Nothing has arrived yet" not in page.text()


def asked(page):
    """How often the list was asked for."""
    return page.js("return performance.getEntriesByType('resource').filter((one) => one.name.includes('/api/deliveries')).length")


def test_nothing_is_asked_for_while_nobody_looks(inbox):
    inbox.js("Object.defineProperty(document, 'hidden', {value: true, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))")
    wait("it pauses", lambda: "paused" in inbox.js("return document.querySelector('.pulse').textContent"))
    before, began = asked(inbox), time.monotonic()
    unseen = inbox.local.deliver("/hooks/vk", inbox.local.of_storage("unseen.txt"))
    wait("two looks", lambda: time.monotonic() - began > 2.2)
    assert (asked(inbox), unseen in inbox.ids()) == (before, False)
    inbox.js("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    inbox.row(unseen)


def test_it_asks_more_seldom_once_nobody_has_touched_anything_for_minutes(inbox):
    inbox.js("const real = Date.now; Date.now = () => real() + 200000")
    wait("it slows down", lambda: "slowly" in inbox.js("return document.querySelector('.pulse').textContent"))
    inbox.keys("j")
    wait("it is quick again", lambda: inbox.js("return document.querySelector('.pulse span').textContent") == "live")


def test_a_long_list_stays_quick(inbox):
    began = time.monotonic()
    inbox.js("window.scrollTo(0, document.body.scrollHeight)")
    longest = inbox.spent(lambda: wait("two looks", lambda: time.monotonic() - began > 2.2))
    assert longest < 1, f"the page did not answer for {longest:.2f} s"
