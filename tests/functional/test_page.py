"""The page at `/` in a real Chromium, with real pods behind it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from selenium.webdriver.common.keys import Keys

from tests.functional.browser import Browser, chromium, has_focus, press_for_a_window
from tests.functional.local_server import LocalServer, chalice_local
from tests.functional.page_pods import Pod, dollars_of, pods_of, pods_url, put, spark_pod
from tests.functional.stage_proxy import stage_of
from tests.waiting import until

pytestmark = [pytest.mark.browser]

MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"
TOKEN = "a-token-of-the-test"
WIDE, PHONE = 1100, 360


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Return a control plane with one application that runs and one that has failed."""
    with chalice_local(tmp_path_factory.mktemp("plane"), "--provider", "process", "--port", "0") as one:
        one.wait_until_ready()
        counting = f"echo '{MARKUP}'; i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo line $i; sleep 0.2; done"
        put(one.url, spark_pod("runs", "driver", counting))
        put(one.url, spark_pod("runs", "executor", "sleep 600", name="runs-exec-1", cpu="2"))
        put(one.url, spark_pod("fails", "driver", "echo the last words; exit 3"))
        until(lambda: pods_of(one.url, "fails")[0]["status"].get("phase") == "Failed", "a pod to fail")
        until(lambda: all(each["status"].get("phase") == "Running" for each in pods_of(one.url, "runs")), "pods")
        yield one


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a Chromium for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """Return the Chromium, wide and light; a complaint in its console fails the test."""
    window.emulate(width=WIDE, dark=False)
    window.complaints()
    window.requested()
    yield window
    assert window.complaints() == []


def test_applications_are_listed_with_state_executors_and_cost(server: LocalServer, browser: Browser) -> None:
    browser.open(server.url)

    browser.wait_for("#count", "2")
    rows = {text.split("\n")[0]: text for text in browser.each("#rows tr", lambda row: row.text)}
    assert set(rows) == {"runs-driver", "fails-driver"}
    assert "Running 1 of 1" in rows["runs-driver"]
    assert "Failed" in rows["fails-driver"]
    assert dollars_of(server.url, "fails") in rows["fails-driver"]
    browser.wait_for("#connection", "Live")


def test_a_new_pod_and_its_end_show_without_reloading(server: LocalServer, browser: Browser) -> None:
    browser.open(f"{server.url}/#/default/news")
    browser.wait_for("#connection", "Live")

    put(server.url, spark_pod("news", "driver", "exit 0"))

    browser.wait_for("#detail dl", "Succeeded")
    browser.wait_for(".timeline", "Completed, exit 0")
    requests.delete(f"{pods_url(server.url)}/news-driver", timeout=30)
    until(lambda: pods_of(server.url, "news") == [], "the pod to go")
    browser.wait_for("#detail dl", "Succeeded")


def test_a_run_that_was_killed_stays_with_its_executors_and_logs(server: LocalServer, browser: Browser) -> None:
    put(server.url, spark_pod("killed", "driver", "sleep 2; echo driver says; sleep 600"))
    put(
        server.url,
        spark_pod("killed", "executor", "sleep 1; echo executor says; sleep 600", name="killed-exec-1", cpu="2"),
    )
    until(lambda: all(each["status"].get("phase") == "Running" for each in pods_of(server.url, "killed")), "pods")
    browser.open(f"{server.url}/#/default/killed")
    browser.wait_for("pre", "driver says")

    for name in ("killed-exec-1", "killed-driver"):
        requests.delete(f"{pods_url(server.url)}/{name}", json={"gracePeriodSeconds": 1}, timeout=30)

    browser.wait_for("#detail dl", "Killed")
    browser.wait_for(".timeline", "Ended")
    browser.open("about:blank")
    browser.open(f"{server.url}/#/default/killed")
    browser.wait_for("pre", "driver says")
    assert "0 vCPU now, 3 vCPU at most" in browser.text(".charts")
    took = browser.text("#detail dl")
    browser.find("#log-pod").send_keys("killed-exec-1")
    browser.wait_for("pre", "executor says")
    assert browser.text("#detail dl") == took
    browser.click("#detail a")
    browser.wait_for("#rows", "killed-driver")
    (row,) = [text for text in browser.each("#rows tr", lambda row: row.text) if "killed-driver" in text]
    assert "Killed" in row


def test_an_executor_that_spark_deletes_stays_in_the_picture(server: LocalServer, browser: Browser) -> None:
    put(server.url, spark_pod("shrinks", "driver", "sleep 600"))
    put(server.url, spark_pod("shrinks", "executor", "sleep 600", name="shrinks-exec-1"))
    browser.open(f"{server.url}/#/default/shrinks")
    browser.wait_for("#detail dl", "1 of 1")

    options = {"gracePeriodSeconds": 1}
    requests.delete(f"{pods_url(server.url)}/shrinks-exec-1", json=options, timeout=30)

    browser.wait_for("figcaption", "1 vCPU now, 2 vCPU at most")
    browser.wait_for("#detail dl", "0 of 1")
    assert "shrinks-exec-1" in browser.text(".timeline")


def test_an_application_shows_its_timeline_events_and_use(server: LocalServer, browser: Browser) -> None:
    browser.open(f"{server.url}/#/default/runs")

    browser.wait_for(".timeline", "runs-exec-1")
    browser.wait_for("#detail table", "Container started")
    browser.wait_for("#detail table", "runs-exec-1")
    assert browser.each(".timeline li", lambda each: each.get_attribute("data-pod")) == ["runs-driver", "runs-exec-1"]
    assert "running" in browser.text(".timeline")
    assert browser.all(".track .running")
    captions = browser.each("figcaption", lambda each: each.text)
    assert captions == [
        "vCPU requested: 3 vCPU now, 3 vCPU at most",
        "Memory requested: 2.75 GiB now, 2.75 GiB at most",
    ]


def test_a_log_is_followed_line_by_line_each_once(server: LocalServer, browser: Browser) -> None:
    browser.open(f"{server.url}/#/default/runs")
    browser.wait_for("pre", "line 3")
    before = len(browser.text("pre").splitlines())

    until(lambda: len(browser.text("pre").splitlines()) > before + 15, "the log to grow, look after look")

    lines = browser.text("pre").splitlines()
    assert lines[1:] == [f"line {number}" for number in range(1, len(lines))]


def test_markup_in_a_log_stays_text(server: LocalServer, browser: Browser) -> None:
    browser.open(f"{server.url}/#/default/runs")

    browser.wait_for("pre", MARKUP)

    assert browser.all("pre *") == []
    assert browser.all("img") == []


def test_why_a_job_ended_is_told(server: LocalServer, browser: Browser) -> None:
    browser.open(f"{server.url}/#/default/fails")

    browser.wait_for("#detail .cause", "Failed: exit code 3, and its last line is: the last words")
    assert "Error, exit 3" in browser.text("#detail dl")
    browser.wait_for("pre", "the last words")
    assert browser.all(".track .bad")
    browser.click(".to-log")
    assert has_focus(browser, lambda element: element.tag_name == "pre")


def test_how_the_start_of_driver_and_executors_went_is_told(server: LocalServer, browser: Browser) -> None:
    made = "echo INFO SparkContext: Running Spark version 4.3.0"
    came = "echo 'INFO Backend: Registered executor Ref(spark-client://Executor) (:7) with ID 1, R'"
    slow = spark_pod("slow", "driver", f"sleep 1; {made}; sleep 1; {came}; exit 0")
    slow["spec"]["containers"][0]["args"] = ["driver", "--conf", "spark.executor.instances=1"]
    slow["spec"]["initContainers"] = [{"name": "waits", "image": "sh", "command": ["sleep", "1"]}]
    executor = spark_pod("slow", "executor", "sleep 60")
    executor["metadata"]["labels"]["spark-exec-id"] = "1"
    put(server.url, executor)
    put(server.url, slow)

    browser.open(f"{server.url}/#/default/slow")

    browser.wait_for("#detail dl", "register")
    (told,) = [
        text for text in browser.each("#detail dl div", lambda each: each.text) if text.startswith("Driver's start")
    ]
    assert re.search(r"start [1-9]\d*\.\d s, JVM [1-9]\d*\.\d s, register [1-9]\d*\.\d s", told)
    browser.wait_for("#detail .timeline", "JVM")
    assert re.search(r"JVM [1-9]\d*\.\d s", browser.text("#detail .timeline li:last-child"))


def test_why_a_job_failed_stands_in_the_list(server: LocalServer, browser: Browser) -> None:
    browser.open(server.url)

    browser.wait_for("#rows", "exit code 3, and its last line is: the last words")


def test_only_the_control_plane_is_asked(server: LocalServer, browser: Browser) -> None:
    browser.open(f"{server.url}/#/default/runs")
    browser.wait_for("pre", "line 3")

    origins = {"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in browser.requested() if "about:" not in url}

    assert origins == {server.url}


def test_the_keyboard_reaches_everything(server: LocalServer, browser: Browser) -> None:
    browser.open(server.url)
    browser.wait_for("#rows", "fails-driver")

    keys = browser.driver.switch_to.active_element
    for _ in range(12):
        if has_focus(browser, lambda element: element.text == "fails-driver"):
            break
        keys.send_keys(Keys.TAB)
        keys = browser.driver.switch_to.active_element
    keys.send_keys(Keys.ENTER)

    browser.wait_for("#detail h2", "fails-driver")
    assert has_focus(browser, lambda element: element.get_attribute("id") == "detail-title")
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    browser.wait_for("#list h2", "Applications")
    assert has_focus(browser, lambda element: element.get_attribute("id") == "list-title")


def test_every_field_has_a_name_for_those_who_cannot_see(server: LocalServer, browser: Browser) -> None:
    browser.open(f"{server.url}/#/default/runs")
    browser.wait_for("pre", "line 1")

    nameless = "return [...document.querySelectorAll('input, select')].filter((each) => !each.labels.length).length"

    assert browser.run(nameless) == 0
    assert set(browser.each("svg", lambda each: each.aria_role)) == {"image"}
    assert all(browser.each("svg, pre, button", lambda each: each.accessible_name or not each.is_displayed()))


@pytest.mark.parametrize("where", ["", "#/default/runs"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_nothing_reaches_beyond_the_window(server: LocalServer, browser: Browser, width: int, where: str) -> None:
    browser.emulate(width=width, dark=False)
    browser.open(f"{server.url}/{where}")
    browser.wait_for("main", "runs-driver")

    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_it_is_dark_for_who_likes_it_dark(server: LocalServer, browser: Browser) -> None:
    colours = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    browser.open(server.url)
    light = browser.run(colours)

    browser.emulate(width=WIDE, dark=True)

    assert light == ["rgb(255, 255, 255)", "rgb(27, 31, 39)"]
    assert browser.run(colours) == ["rgb(20, 23, 28)", "rgb(232, 235, 240)"]


def test_other_clients_still_get_the_paths(server: LocalServer) -> None:
    assert "/api/v1" in requests.get(server.url, timeout=30).json()["paths"]
    page = requests.get(server.url, headers={"Accept": "text/html"}, timeout=30)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-store"


def test_it_works_below_the_path_of_a_stage_with_buffered_watches(server: LocalServer, browser: Browser) -> None:
    with stage_of(server.url) as stage:
        browser.open(stage.url)
        browser.wait_for("#rows", "runs-driver")

        put(server.url, spark_pod("staged", "driver", "exit 0"))

        browser.wait_for("#rows", "staged-driver")
        browser.wait_for("#connection", "Live")
        assert stage.outside == []
        browser.open("about:blank")


def test_it_polls_where_watches_fail(server: LocalServer, window: Browser) -> None:
    with stage_of(server.url) as stage:
        stage.refuses_watches = True
        window.open(stage.url)
        window.wait_for("#connection", "Polling every 5 seconds")

        put(server.url, spark_pod("polled", "driver", "exit 0"))

        window.wait_for("#rows", "polled-driver")
        window.open("about:blank")


def test_a_token_is_asked_for_and_kept_for_the_tab_alone(tmp_path: Path, window: Browser) -> None:
    environ = {"SPARKANYWHERE_TOKEN": TOKEN, "SPARKANYWHERE_TLS": "0"}  # browsers ask about our certificate
    with chalice_local(tmp_path, "--provider", "process", "--port", "0", environ=environ) as server:
        server.wait_until_ready()
        put(server.url, spark_pod("secret", "driver", "exit 0"), token=TOKEN)
        window.open(server.url)
        window.wait_for("#problem", "bearer token")
        assert "secret-driver" not in window.driver.page_source
        assert has_focus(window, lambda element: element.get_attribute("id") == "token")

        window.driver.switch_to.active_element.send_keys("wrong", Keys.ENTER)
        window.wait_for("#problem", "bearer token")
        until(lambda: window.find("#token").is_displayed(), "the field to open again")
        window.find("#token").send_keys(TOKEN, Keys.ENTER)

        window.wait_for("#rows", "secret-driver")
        assert window.run("return Object.values(localStorage)") == []
        assert window.run("return document.cookie") == ""
        assert TOKEN in window.run("return Object.values(sessionStorage)")
        assert TOKEN not in window.driver.current_url + window.driver.page_source
        window.find("#access summary").click()
        window.find("#forget").click()
        window.wait_for("#problem", "bearer token")
        assert TOKEN not in window.run("return Object.values(sessionStorage)")
        assert "secret-driver" not in window.driver.page_source
        window.open("about:blank")


# What a job's page tries: its own page as any page would, then our API and the viewer's token. It tells in its title.
HOSTILE = """
<script>
const tried = async (name, work) => {
  try { told[name] = await work(); } catch (error) { told[name] = error.name; }
};
const told = {}, codeOf = async (url, how) => (await fetch(url, how)).status;
(async () => {
  await tried("own", () => codeOf("more"));
  await tried("store", () => { localStorage.x = 1; return localStorage.x; });
  await tried("token", () => Object.keys(sessionStorage).length);
  await tried("cookie", () => document.cookie);
  await tried("opener", () => String(window.opener));
  const beyond = () => fetch("/api/v1/namespaces/default/secrets");
  await tried("beyond", async () => (await (await beyond()).text()).includes("x-forwarded-host"));
  await tried("api", () => codeOf(API + "/api/v1/namespaces/default/pods"));
  await tried("blind", async () => (await fetch(API + "/api/v1/pods", { mode: "no-cors" })).type);
  document.title = JSON.stringify(told);
})();
</script>
"""
HOSTILE_POD = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = %r if self.path == "/" else str(self.headers).lower()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())
http.server.HTTPServer((os.environ["POD_IP"], 4040), Handler).serve_forever()
"""


def hostile_pod(app: str, folder: Path, url: str) -> Pod:
    """Return a driver that serves a page of its own where Spark would."""
    program = folder / "page.py"
    program.write_text(HOSTILE_POD % HOSTILE.replace("API", repr(url)))
    pod = spark_pod(app, "driver", f"exec {sys.executable} {program}")
    ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    pod["spec"]["containers"][0]["env"] = [ip]
    return pod


def told_by(window: Browser) -> dict[str, Any]:
    """Return what the page has found out, once it has."""
    until(lambda: window.driver.title.startswith("{"), "the page to have tried all")
    told: dict[str, Any] = json.loads(window.driver.title)
    return told


def test_the_page_of_a_hostile_job_gets_at_nothing_but_its_own(tmp_path: Path, window: Browser) -> None:
    environ = {"SPARKANYWHERE_TOKEN": TOKEN, "SPARKANYWHERE_TLS": "0"}
    with chalice_local(tmp_path, "--provider", "process", "--port", "0", environ=environ) as server:
        server.wait_until_ready()
        put(server.url, hostile_pod("trap", tmp_path, server.url), token=TOKEN)
        window.open(f"{server.url}/#/default/trap")
        window.wait_for("#problem", "bearer token")
        window.find("#token").send_keys(TOKEN, Keys.ENTER)
        window.wait_for("#detail dl", "Running")
        ours = window.driver.current_window_handle

        until(lambda: press_for_a_window(window, "Spark UI"), "the job's page")
        window.driver.switch_to.window(next(each for each in window.driver.window_handles if each != ours))
        told = told_by(window)

        assert urlsplit(window.driver.current_url).hostname != urlsplit(server.url).hostname
        of_its_own = {"own": 200, "store": "1", "token": 0, "cookie": "", "opener": "null"}
        assert told == {**of_its_own, "beyond": True, "api": "TypeError", "blind": "opaque"}
        window.driver.get(f"{window.driver.current_url}seen")
        seen = window.text("body")
        assert "x-forwarded-host" in seen
        assert "authorization" not in seen
        assert "sparkanywhere-page" not in seen
        window.driver.close()
        window.driver.switch_to.window(ours)
        window.complaints()  # of what was refused to the page
        window.open("about:blank")
        trap, headers = f"{pods_url(server.url)}/trap-driver", {"Authorization": f"Bearer {TOKEN}"}
        requests.delete(trap, json={"gracePeriodSeconds": 1}, headers=headers, timeout=30)
        until(lambda: requests.get(trap, headers=headers, timeout=30).status_code == 404, "its process to be gone")


def test_a_pods_page_on_the_apis_own_origin_is_nobody_there(
    server: LocalServer, tmp_path: Path, window: Browser
) -> None:
    put(server.url, hostile_pod("proxied", tmp_path, server.url))
    page = f"{pods_url(server.url)}/proxied-driver:4040/proxy/"
    until(lambda: requests.get(page, timeout=30).status_code == 200, "the pod's page")

    window.open(page)
    told = told_by(window)

    assert told["store"] == told["token"] == told["cookie"] == "SecurityError"
    assert told["api"] == told["beyond"] == "TypeError"
    requests.delete(f"{pods_url(server.url)}/proxied-driver", timeout=30)
    window.open("about:blank")
    window.complaints()


def test_what_no_link_leads_to_is_told_in_words(server: LocalServer, browser: Browser) -> None:
    with stage_of(server.url) as stage:
        browser.open(f"{stage.url}/#/default/runs")
        browser.wait_for("#detail dl", "Running")

        browser.click("#spark button")

        browser.wait_for("#spark", "sparkanywhere ui runs-driver prints the way")
        browser.open("about:blank")  # before what it asks is gone
    browser.complaints()


def test_a_thousand_applications_are_shown_a_hundred_at_a_time(tmp_path: Path, browser: Browser) -> None:
    with chalice_local(tmp_path, "--provider", "none", "--port", "0") as server:
        server.wait_until_ready()
        for number in range(1000):
            put(server.url, spark_pod(f"app-{number:04}", "driver", "exit 0"))

        browser.open(server.url)

        browser.wait_for("#count", "100 of 1000")
        browser.click("#more")
        browser.wait_for("#count", "200 of 1000")
        browser.find("#filter").send_keys("app-0007")
        browser.wait_for("#rows", "app-0007-driver")
        assert len(browser.all("#rows tr")) == 1
        browser.open("about:blank")
