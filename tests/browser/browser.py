"""Chromium, and the page in it: what a person would do and see, and what must never happen meanwhile."""

import contextlib
import json
import os
import pathlib
import shutil
import sysconfig
import time
import urllib.parse

# Nothing is downloaded: neither a browser nor a driver.
os.environ["SE_OFFLINE"] = "true"
os.environ["SE_AVOID_STATS"] = "true"

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from local import TOKEN, spoken, wait

# Of the package that brings axe-core only that file is looked at; it is for a later Python.
AXE = (pathlib.Path(sysconfig.get_path("purelib")) / "pytest_playwright_axe/resources/axe.min.js").read_text()
DESKTOP, PHONE = (1280, 860), (360, 740)
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars", "--mute-audio",
    # Nobody is told anything, and nothing is asked for but the page.
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-domain-reliability",
    "--disable-sync", "--no-first-run", "--no-default-browser-check", "--no-pings", "--disable-extensions",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,CertificateTransparencyComponentUpdater",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# Runs before the page's own script; what hostile text would call or break is noted.
WATCH = """
window.seen = {policy: [], errors: [], dialogs: []};
document.addEventListener('securitypolicyviolation', (event) => seen.policy.push(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample));
addEventListener('error', (event) => seen.errors.push(String(event.message)));
addEventListener('unhandledrejection', (event) => seen.errors.push(String(event.reason)));
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) window[name] = (...of) => { seen.dialogs.push(name + ' ' + of); };
"""


def driver(downloads):
    """A Chromium of its own, with the log of what it asks the network for."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    made.set_script_timeout(60)
    made.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    made.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    return made


class Page:
    """The inbox in a browser."""

    def __init__(self, browser, local, downloads):
        self.browser, self.local, self.downloads = browser, local, downloads

    # -- Going about

    def open(self, route="/"):
        """Loads the page anew."""
        self.browser.get("about:blank")
        self.browser.get(f"{self.local.inbox}#{route}")

    def log_in(self, token=TOKEN):
        self.find("#token").clear()
        self.type("#token", token + Keys.ENTER)

    def enter(self, route="/"):
        """Opens a view; logs in where that is asked for."""
        self.open(route)
        wait("the page", lambda: self.has("#token") or self.has("header.top:not([hidden])") and self.has("main h1"))
        # The form comes once the first call is refused.
        wait("an answer", lambda: self.has("#token") or self.js("return performance.getEntriesByType('resource').length > 0"))
        if not self.cookies():
            wait("the login", lambda: self.has("#token"))
            self.log_in()
        wait("the view", lambda: self.has("header.top:not([hidden])"))

    def go(self, route):
        """To another view, by the address."""
        self.js("location.hash = arguments[0]", route)

    def js(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def has(self, selector):
        return bool(self.all(selector))

    def find(self, selector, seconds=10.0):
        return wait(selector, lambda: next((one for one in self.all(selector) if one.is_displayed()), None), seconds)

    def button(self, label, within="body", seconds=10.0):
        """The button, or link that looks like one, that begins with these words."""
        def found():
            with contextlib.suppress(StaleElementReferenceException):
                return next((one for one in self.all(f"{within} button, {within} a.button") if one.is_displayed()
                             and spoken(one.text).startswith(label)), None)
        return wait(f"a button {label}", found, seconds)

    def press(self, label, within="body"):
        wait(f"{label} can be pressed", lambda: self.button(label, within).is_enabled())
        self.button(label, within).click()

    def choose(self, selector, value):
        self.js("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", self.find(selector), value)

    def type(self, selector, text):
        self.find(selector).send_keys(text)

    def keys(self, *keys):
        """Presses keys, wherever the focus is."""
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def focused(self, script="return document.activeElement"):
        return self.js(script)

    # -- Seeing

    def text(self, selector="main"):
        return spoken(self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def shows(self, words, selector="main", seconds=10.0):
        try:
            wait(words, lambda: words in self.text(selector), seconds)
        except AssertionError:
            raise AssertionError(f"{words!r} is not in {selector}: {self.text(selector)[:1000]!r}") from None

    def ids(self):
        """Of the rows, as they stand."""
        return self.js("return [...document.querySelectorAll('.row')].map((row) => row.dataset.id)")

    def row(self, identity, seconds=10.0):
        return self.find(f'.row[data-id="{identity}"]', seconds)

    def row_text(self, identity):
        self.row(identity)
        return self.text(f'.row[data-id="{identity}"]')

    def route(self):
        return urllib.parse.unquote(self.js("return location.hash.slice(1)"))

    def cookies(self):
        return self.browser.execute_cdp_cmd("Network.getCookies", {"urls": [self.local.inbox]})["cookies"]

    def forget_session(self):
        self.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})

    def downloaded(self, name):
        """The bytes of a file that was saved."""
        path = self.downloads / name
        wait(f"the file {name}", path.exists)
        return path.read_bytes()

    # -- How it looks

    def look(self, size=DESKTOP, dark=False):
        width, height = size
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def overflow(self):
        """By how much the page is wider than the window, in pixels."""
        return self.js("return document.documentElement.scrollWidth - innerWidth")

    def violations(self):
        """What axe-core finds wrong, by all of its rules."""
        if not self.js("return Boolean(window.axe)"):
            self.js(AXE)
        found = self.browser.execute_async_script(
            "const done = arguments[0]; axe.run().then((found) => done(found.violations), (error) => done([{id: String(error), nodes: []}]))")
        return [f"{one['id']}: {node['target']} {node['html'][:160]} {spoken(node.get('failureSummary', ''))}"
                for one in found for node in one["nodes"] or [{"target": "", "html": ""}]]

    # -- What must never be

    def wrong(self):
        """Scripts that ran, dialogs that opened, errors, violations of the policy, requests that left the origin."""
        found = []
        with contextlib.suppress(Exception):
            seen = self.js("return window.seen")
            found += [f"{kind}: {one}" for kind, all_ in (seen or {}).items() for one in all_]
            if self.js("return typeof window.canary") != "undefined":
                found.append("a script of a delivery ran")
        for line in self.browser.get_log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] != "Network.requestWillBeSent":
                continue
            url = message["params"]["request"]["url"]
            if not url.startswith((f"{self.local.url}/inbox", "data:", "blob:", "about:", "chrome:")):
                found.append(f"a request: {url}")
        for line in self.browser.get_log("browser"):
            if line["level"] == "SEVERE" and "Failed to load resource" not in line["message"]:
                found.append(f"console: {line['message']}")
        return found

    def spent(self, work):
        """How long the page does not answer while something is done, in seconds: the longest pause between two ticks."""
        self.js("window.longest = 0; let last = performance.now(); clearInterval(window.ticks);"
                "window.ticks = setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; }, 10)")
        work()
        time.sleep(0.05)
        return self.js("clearInterval(window.ticks); return window.longest") / 1000
