"""The mirror: what was copied and missed, and removals that wait for a human."""

import pytest
from local import wait

REMOVALS = 120


def keys(local, bucket):
    pages = local.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {one["Key"] for page in pages for one in page.get("Contents", [])}


@pytest.fixture
def held(page_alone):
    """An inbox at the mirror, with so many removals held."""
    page_alone.local.hold(REMOVALS)
    page_alone.enter("/mirror")
    page_alone.shows(f"{REMOVALS} removals wait for you")
    return page_alone


def test_held_removals_are_listed_and_carried_out_once_they_are_approved(held):
    before = keys(held.local, "backup")
    held.press("Show the keys")
    held.shows("gone/0000.txt", ".keys")
    assert "false" not in held.text("main"), "a note that does not apply is no word"
    assert held.violations() == []
    held.press("Approve")
    held.shows(f"Remove {REMOVALS} copies from the backup?", "dialog")
    assert "each key is looked at once more" in held.text("dialog")
    held.press("Cancel", "dialog")
    wait("the dialog closes", lambda: not held.has("dialog"))
    assert keys(held.local, "backup") == before, "nothing happens without a yes"
    held.press("Approve")
    assert held.violations() == []
    held.press(f"Remove {REMOVALS}", "dialog")
    held.shows(f"{REMOVALS} removals let go")
    wait("the copies go", lambda: not any(key.startswith("gone/") for key in keys(held.local, "backup")), 30, 0.2)
    wait("nothing waits any more", lambda: "wait for you" not in held.text())
    assert keys(held.local, "backup") == {key for key in before if not key.startswith("gone/")}
    held.shows(f"{REMOVALS} removals approved")
    held.shows(f"{REMOVALS} removed.")
    became = held.local.api("GET", "mirror")["origins"][0]["decided"]["became"]
    assert became == {"removed": REMOVALS, "left": 0, "failed": 0, "waiting": 0}
    assert held.violations() == []


def test_rejected_removals_leave_the_copies_and_the_next_audit_finds_them_anew(held):
    before = keys(held.local, "backup")
    held.press("Reject")
    held.shows("Keep the copies?", "dialog")
    held.press("Keep them", "dialog")
    held.shows(f"{REMOVALS} removals rejected: the copies stay.")
    wait("nothing waits any more", lambda: "wait for you" not in held.text())
    assert keys(held.local, "backup") == before
    held.local.audit()
    held.shows(f"{REMOVALS} removals wait for you")


def test_the_mirror_says_what_was_copied_and_how_far_behind(inbox):
    local = inbox.local
    for number in range(5):
        local.s3.put_object(Bucket="origin", Key=f"behind-{number}.txt", Body=b"x")
    wait("the copies", lambda: {f"behind-{number}.txt" for number in range(5)} <= keys(local, "backup"))
    local.audit()
    inbox.go("/mirror")
    inbox.shows("objects at the origin")
    told = local.api("GET", "mirror")
    assert f"objects at the origin {told['origins'][0]['audit']['keys']:,}" in inbox.text(), inbox.text()
    inbox.shows("copied")
    inbox.shows("half within")
    assert len(inbox.all(".chart .dot")) == told["lag"]["copies"]
