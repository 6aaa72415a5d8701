"""A real headless Chromium for tests, and what it asked for and complained about."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.tools import find
from tests.waiting import until

# Without a sandbox since CI is root; the others keep Chromium from asking its maker's hosts for anything.
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)

Read = TypeVar("Read")


class Browser:
    """One Chromium window."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Load a page anew, also where only the part behind # differs."""
        self.driver.get("about:blank")
        self.driver.get(url)

    def find(self, selector: str) -> WebElement:
        """Return the first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Return all elements of a CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def each(self, selector: str, read: Callable[[WebElement], Read]) -> list[Read]:
        """Return what is read from each element of a CSS selector, from all of them as they were at one time."""
        return steady(lambda: [read(element) for element in self.all(selector)])

    def click(self, selector: str) -> None:
        """Click on the first element of a CSS selector."""
        steady(lambda: self.find(selector).click())

    def text(self, selector: str) -> str:
        """Return the text that people see of an element, "" while there is none."""
        return next(iter(self.each(selector, lambda element: element.text)), "")

    def wait_for(self, selector: str, text: str) -> None:
        """Wait until an element shows a text."""
        until(lambda: text in self.text(selector), f"{text!r} in {selector}")

    def run(self, script: str, *arguments: object) -> Any:  # Any: whatever the script returns
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def emulate(self, *, width: int, dark: bool) -> None:
        """Make it a window of that width whose owner likes it dark, or light."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def complaints(self) -> list[str]:
        """Return what the console has said since the last call."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requested(self) -> list[str]:
        """Return the URLs asked for since the last call, but for the browser's own pages."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call]  # selenium's own
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent if not each["request"]["url"].startswith("data:")]


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a Chromium with an empty profile; end it afterwards."""
    options = webdriver.ChromeOptions()
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.binary_location = find("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(find("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


def press_for_a_window(browser: Browser, button: str) -> bool:
    """Press the link to Spark's page, again only where it says so; return whether a window has opened."""
    press, told = browser.find("#spark button"), browser.find("#spark [role=status]")
    is_new = press.get_attribute("data-pressed") != button
    if press.text == button and press.is_enabled() and (is_new or told.text):
        browser.run("arguments[0].dataset.pressed = arguments[1]", press, button)
        press.click()
    return len(browser.driver.window_handles) > 1


def has_focus(browser: Browser, test: Callable[[WebElement], bool]) -> bool:
    """Return whether the element with the focus passes a test."""
    return steady(lambda: test(browser.driver.switch_to.active_element))


def steady(work: Callable[[], Read]) -> Read:
    """Return what some work with elements returns; it is begun anew if the page replaces one of them meanwhile."""
    found: list[Read] = []

    def look() -> bool:
        with contextlib.suppress(StaleElementReferenceException):
            found.append(work())
        return bool(found)

    until(look, "the page to stay as it is for a moment")
    return found[0]
