"""A spending limit on a real server: processes that have cost too much end, and say why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.functional.local_server import LocalServer, chalice_local
from tests.functional.page_pods import SECONDS, Pod, pods_url, spark_pod
from tests.waiting import until

PRICES = {  # a dollar a second for each vCPU, so that seconds are enough
    "SPARKANYWHERE_USD_PER_VCPU_HOUR": "3600",
    "SPARKANYWHERE_RESYNC_SECONDS": "1",
}
MAX_USD = "sparkanywhere.io/max-usd"
USED_BY_GONE = "sparkanywhere.io/used-by-gone-pods"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Return a control plane whose pods cost a dollar a second."""
    state = tmp_path_factory.mktemp("plane")
    with chalice_local(state, "--provider", "process", "--port", "0", environ=PRICES) as one:
        one.wait_until_ready()
        yield one


def create(server: LocalServer, pod: Pod, **metadata: Any) -> requests.Response:  # Any: fields of metadata
    """Create a pod; return the answer."""
    sent = {**pod, "metadata": {**pod["metadata"], **metadata}}
    return requests.post(pods_url(server.url), json=sent, timeout=SECONDS)


def get(server: LocalServer, name: str) -> Pod:
    """Return a pod, or the Status of a 404."""
    found: Pod = requests.get(f"{pods_url(server.url)}/{name}", timeout=SECONDS).json()
    return found


def limit(server: LocalServer, name: str, usd: str) -> None:
    """Give a pod a budget."""
    answer = requests.patch(
        f"{pods_url(server.url)}/{name}",
        json={"metadata": {"annotations": {MAX_USD: usd}}},
        headers={"Content-Type": "application/merge-patch+json"},
        timeout=SECONDS,
    )
    assert answer.status_code == 200, answer.text


def owned_by(driver: Pod) -> dict[str, Any]:  # Any: as above
    """Return the metadata of what a pod owns."""
    metadata = driver["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    return {"ownerReferences": [{**owner, "controller": True}]}


def test_a_job_that_has_cost_too_much_ends_with_all_that_it_started(server: LocalServer) -> None:
    driver = create(server, spark_pod("dear", "driver", "sleep 600")).json()
    executor = spark_pod("dear", "executor", "sleep 600", name="dear-exec-1")
    assert create(server, executor, **owned_by(driver)).status_code == 201
    until(lambda: get(server, "dear-exec-1")["status"].get("phase") == "Running", "the executor to run")

    limit(server, "dear-driver", "3")  # only now, so that the executor is there however slow all is

    until(lambda: get(server, "dear-driver")["status"].get("phase") == "Failed", "the driver to be ended")
    until(lambda: get(server, "dear-exec-1").get("code") == 404, "the executor to be gone")

    status = get(server, "dear-driver")["status"]
    assert status["reason"] == "BudgetExceeded"
    assert status["message"].startswith("used $")
    assert " of $3.0000 (sparkanywhere.io/max-usd): 2 pods," in status["message"]
    events = requests.get(f"{server.url}/api/v1/namespaces/default/events", timeout=SECONDS).json()["items"]
    told = {each["reason"] for each in events if each["involvedObject"]["name"] == "dear-driver"}
    assert "BudgetExceeded" in told
    refused = create(server, spark_pod("dear", "executor", "sleep 1", name="dear-exec-2"), **owned_by(driver))
    assert (refused.status_code, refused.json()["reason"]) == (403, "Forbidden")
    assert "exceeded budget: pod dear-driver used $" in refused.json()["message"]


def test_what_an_executor_used_counts_on_when_it_is_gone(server: LocalServer) -> None:
    driver = create(server, spark_pod("cheap", "driver", "sleep 600")).json()
    executor = spark_pod("cheap", "executor", "sleep 600", name="cheap-exec-1", cpu="2")
    create(server, executor, **owned_by(driver))
    until(lambda: get(server, "cheap-exec-1")["status"].get("phase") == "Running", "the executor to run")

    options = {"gracePeriodSeconds": 1}
    requests.delete(f"{pods_url(server.url)}/cheap-exec-1", json=options, timeout=SECONDS)

    def is_told() -> bool:
        return USED_BY_GONE in (get(server, "cheap-driver")["metadata"].get("annotations") or {})

    until(is_told, "the driver's pod to tell of it")
    assert '"pods":1,' in get(server, "cheap-driver")["metadata"]["annotations"][USED_BY_GONE]
    requests.delete(f"{pods_url(server.url)}/cheap-driver", json=options, timeout=SECONDS)


def test_a_limit_that_is_no_amount_is_refused(server: LocalServer) -> None:
    refused = create(server, spark_pod("odd", "driver", "sleep 1"), annotations={MAX_USD: "five"})

    assert (refused.status_code, refused.json()["reason"]) == (422, "Invalid")
    assert refused.json()["details"]["causes"][0]["field"] == f"metadata.annotations[{MAX_USD}]"
    assert get(server, "odd-driver")["code"] == 404
