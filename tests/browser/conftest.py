"""One function and one Chromium for all tests, and after each test: no script of a delivery ran, nothing left the origin."""

import sys

sys.dont_write_bytecode = True

import pytest
from browser import Page, driver
from local import Local


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """A function that all tests may use."""
    made = Local(tmp_path_factory.mktemp("local"))
    yield made
    made.close()


@pytest.fixture
def alone(tmp_path):
    """A function for one test, that leaves it in a state that others could not use."""
    made = Local(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    downloads = tmp_path_factory.mktemp("downloads")
    made = driver(downloads)
    yield made, downloads
    made.quit()


def watched(chromium, local):
    browser, downloads = chromium
    page = Page(browser, local, downloads)
    page.forget_session()
    page.wrong()
    page.look()
    yield page
    assert page.wrong() == []
    browser.get("about:blank")


@pytest.fixture
def page(chromium, local):
    """The page of the shared function, logged out."""
    yield from watched(chromium, local)


@pytest.fixture
def page_alone(chromium, alone):
    """The page of a function for one test, logged out."""
    yield from watched(chromium, alone)


@pytest.fixture
def inbox(page):
    """The page, logged in, at the list."""
    page.enter()
    page.find(".row")
    return page
