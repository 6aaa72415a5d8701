"""Finished pods go after a while."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.pods.deletions import keep_seconds
from chalicelib.controllers.runtime.objects import PAGE
from chalicelib.providers.base import TaskRejected
from tests.unit.controllers.builders import pod
from tests.unit.controllers.world import World


def expire(w: World) -> None:
    w.controllers.lifecycle.expiry.sweep()


def finish(w: World, name: str = "a", **metadata: object) -> None:
    w.create_pod(name, metadata=dict(metadata))
    w.provider.finish(w.handle(name), 0)
    w.observe_all()


def test_finished_pod_goes_after_a_day_with_its_task(w: World) -> None:
    finish(w)
    w.pass_time(24 * 3600 - 1)
    expire(w)
    assert w.get("pods", "a") is not None

    w.pass_time(1)
    expire(w)

    assert w.get("pods", "a") is None
    assert w.provider.list_tasks() == []


def test_annotation_says_how_long_a_pod_is_kept(w: World) -> None:
    finish(w, "short", annotations={"sparkanywhere.io/ttl": "90s"})
    finish(w, "long", annotations={"sparkanywhere.io/ttl": "never"})
    w.pass_time(90)
    expire(w)
    assert w.get("pods", "short") is None

    w.pass_time(10**7)
    expire(w)

    assert w.get("pods", "long") is not None


def test_a_span_beyond_the_calendar_keeps_its_pod_alone(w: World) -> None:
    finish(w, "a", annotations={"sparkanywhere.io/ttl": "999999999999999d"})
    finish(w, "b")
    w.pass_time(24 * 3600)

    expire(w)

    assert (w.get("pods", "a") is not None, w.get("pods", "b")) == (True, None)


def test_more_than_a_page_of_pods_expires(w: World) -> None:
    for number in range(PAGE + 1):
        ended = pod(f"p{number:04}", uid=f"u{number}")
        ended["status"]["phase"] = "Succeeded"
        w.storage.create(f"/registry/pods/ns/p{number:04}", ended)
    w.pass_time(48 * 3600)

    expire(w)

    assert w.storage.list("/registry/pods/").items == []


def test_pod_that_never_ran_expires_too(w: World) -> None:
    w.provider.failures.append(TaskRejected("TooBig", "needs 44 vCPU"))
    w.create_pod(activeDeadlineSeconds=60)
    w.pass_time(60)
    w.resync()
    w.pass_time(24 * 3600)

    expire(w)

    assert w.get("pods", "a") is None


def test_running_pod_never_expires(w: World) -> None:
    w.create_pod()
    w.observe_all()
    w.pass_time(10**7)

    expire(w)

    assert w.phase() == "Running"


def test_what_an_expired_pod_owned_goes_too(w: World) -> None:
    finish(w)
    w.create("configmaps", "conf", metadata=w.owner_of(), data={})
    w.pass_time(24 * 3600)

    expire(w)

    assert w.get("configmaps", "conf") is None


APP = {"spark-app-selector": "spark-1", "spark-role": "executor"}


def test_leftovers_of_a_dead_client_mode_driver_go_with_its_last_executor(w: World) -> None:
    w.create("configmaps", "conf", metadata={"labels": APP}, data={})
    w.create("configmaps", "other", metadata={"labels": {**APP, "spark-app-selector": "spark-2"}}, data={})
    finish(w, "exec-1", labels=APP)
    w.pass_time(3600)
    finish(w, "exec-2", labels=APP)
    w.pass_time(23 * 3600)
    expire(w)
    assert w.get("configmaps", "conf") is not None, "an executor is still there"

    w.pass_time(3600)
    expire(w)

    assert w.get("configmaps", "conf") is None
    assert w.get("configmaps", "other") is not None


@pytest.mark.parametrize("labels", [{**APP, "spark-exec-inactive": "true"}, {"spark-app-selector": "spark-1"}])
def test_executor_kept_on_purpose_says_nothing_of_its_driver(w: World, labels: dict[str, str]) -> None:
    w.create("configmaps", "conf", metadata={"labels": APP}, data={})
    finish(w, "exec-1", labels=labels)
    w.pass_time(24 * 3600)

    expire(w)

    assert w.get("pods", "exec-1") is None
    assert w.get("configmaps", "conf") is not None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 7.0), ("30", 30.0), ("30s", 30.0), ("2m", 120.0), ("2h", 7200.0), ("1D", 86400.0), ("soon", 7.0)],
)
def test_ttl_texts(text: str, seconds: float) -> None:
    assert keep_seconds(text, 7.0) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5h", "10 m", "2w", "9" * 16, "٥"])
def test_a_ttl_that_is_no_span_is_refused(w: World, text: str) -> None:
    with pytest.raises(StatusError, match="must be a number of seconds, a span such as 90s") as refused:
        w.create_pod("a", metadata={"annotations": {"sparkanywhere.io/ttl": text}})

    assert refused.value.code == 422
    assert "metadata.annotations[sparkanywhere.io/ttl]" in refused.value.message
