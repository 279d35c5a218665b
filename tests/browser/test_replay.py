"""Replaying many, one after the other."""

from local import wait


def deliveries(local, name, count):
    """So many deliveries whose work is done: there is no such object, and so no copy."""
    sent = [local.deliver("/hooks/vk", local.of_storage(f"{name}.txt", awsRegion=f"{number}")) for number in range(count)]
    for identity in sent:
        local.attempts(identity, 1)
    return sent


def test_selected_deliveries_are_replayed_and_others_are_not(inbox):
    sent = deliveries(inbox.local, "some", 3)
    for identity in sent[:2]:
        inbox.row(identity).find_element("css selector", "input").click()
    inbox.shows("2 selected", ".selected")
    inbox.press("Replay", ".selected")
    inbox.shows("Replay 2 deliveries?", "dialog")
    inbox.press("Replay 2", "dialog")
    inbox.shows("2 replayed, 0 failed, 0 left out", "dialog")
    assert [len(inbox.local.attempts(identity, 1)) for identity in sent] == [2, 2, 1]
    inbox.press("Close", "dialog")
    wait("the rows tell", lambda: all("2 attempts" in inbox.row_text(identity) for identity in sent[:2]))


def test_all_that_a_filter_finds_is_replayed_and_what_cannot_be_is_told(inbox):
    local = inbox.local
    sent = deliveries(local, "every", 4)
    inbox.go("/?text=every.txt")
    wait("the rows", lambda: set(sent) <= set(inbox.ids()))
    inbox.press("Replay found")
    inbox.shows("Replay 4 deliveries?", "dialog")
    inbox.press("Replay 4", "dialog")
    inbox.shows("4 replayed, 0 failed, 0 left out", "dialog")
    assert [len(local.attempts(identity, 1)) for identity in sent] == [2] * 4
    inbox.press("Close", "dialog")
    # A handshake cannot be done again: the first steps of `hookctl dev` made one.
    inbox.go("/?status=handshake")
    inbox.find(".row")
    inbox.press("Replay found")
    inbox.press("Replay ", "dialog")
    inbox.shows("0 replayed, 0 failed", "dialog")
    assert "left out: " in inbox.text("dialog"), inbox.text("dialog")


def test_a_long_replay_can_be_stopped(inbox):
    sent = deliveries(inbox.local, "long", 12)
    inbox.go("/?text=long.txt")
    wait("the rows", lambda: set(sent) <= set(inbox.ids()))
    inbox.press("Replay found")
    inbox.shows("Replay 12 deliveries?", "dialog")
    # Stopped after the second.
    inbox.js("const real = window.fetch; let calls = 0; window.fetch = (...of) => { if (String(of[0]).endsWith('/replay') && ++calls === 2) "
             "[...document.querySelectorAll('dialog button')].find((one) => one.textContent === 'Stop').click(); return real(...of); }")
    inbox.press("Replay 12", "dialog")
    inbox.shows("Stopped", "dialog h2")
    assert "2 replayed, 0 failed, 0 left out, 10 not begun" in inbox.text("dialog"), inbox.text("dialog")
    assert sum(len(inbox.local.attempts(identity, 1)) for identity in sent) == 14
    inbox.browser.refresh()


def test_nothing_is_replayed_where_it_is_cancelled(inbox):
    (identity,) = deliveries(inbox.local, "cancelled", 1)
    inbox.row(identity).find_element("css selector", "input").click()
    inbox.press("Replay", ".selected")
    inbox.shows("Replay 1 delivery?", "dialog")
    inbox.press("Cancel", "dialog")
    wait("the dialog closes", lambda: not inbox.has("dialog"))
    assert len(inbox.local.delivery(identity)["attempts"]) == 1
