"""A driver that fails says why in its termination message, once, whenever its log can be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import cause_of
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.pods.cause_finder import GIVE_UP_SECONDS, TAIL_BYTES, CauseFinder
from chalicelib.providers.base import LogOptions, ProviderUnavailable
from tests.fake_provider import FakeProvider
from tests.inline import inline
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.world import World

DRIVER = {"labels": {"spark-role": "driver"}}
EXECUTOR = {"labels": {"spark-role": "executor"}}
TRACEBACK = b'Traceback (most recent call last):\n  File "/opt/files/boom.py", line 4, in f\nValueError: no rows\n'
SENTENCE = "ValueError: no rows at /opt/files/boom.py:4 in f"


class Logs(FakeProvider):
    """A fake whose logs can be away, and that counts how often it was asked."""

    is_away = False
    breaks_off = False
    asked = 0

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Return the log, or raise."""
        self.asked += 1
        if self.is_away:
            raise ProviderUnavailable("Throttled", "later")
        yield from super().logs(handle, container, options)
        if self.breaks_off:
            raise ProviderUnavailable("Throttled", "later")


@pytest.fixture
def w() -> World:
    """Return a World whose provider's logs can be away."""
    clock = Clock()
    return World(MemoryStorage(), provider=Logs(clock=clock), clock=clock)


def logs(w: World) -> Logs:
    assert isinstance(w.provider, Logs)
    return w.provider


def fail(
    w: World, code: int = 1, *, log: bytes = TRACEBACK, reason: str = "", **pod: Any
) -> None:  # Any: of create_pod
    w.create_pod(**{"metadata": DRIVER, **pod})
    w.provider.say(w.handle(), "c", log)
    w.provider.finish(w.handle(), code, reason=reason)
    w.observe_all()


def ended(w: World) -> JSON:
    found: JSON = w.pod()["status"]["containerStatuses"][0]["state"]["terminated"]
    return found


def slow_finder(w: World) -> CauseFinder:
    """Return a finder whose logs are complete a minute after the end."""
    return CauseFinder(
        storage=w.storage,
        index=PodIndex(w.storage),
        pods=w.pods,
        clock=w.clock,
        later=inline,
        log_delay_seconds=60,
        python="",
    )


def test_a_failed_driver_says_why(w: World) -> None:
    fail(w)

    assert ended(w)["message"] == SENTENCE
    assert ended(w)["exitCode"] == 1
    assert cause_of(w.pod()) == SENTENCE


@pytest.mark.parametrize(
    ("env", "hint"),
    [
        ([], f"`{sys.executable} -m pip install yaml`"),
        ([{"name": "PYSPARK_PYTHON", "value": "/venv/bin/python"}], "`/venv/bin/python -m pip install yaml`"),
        ([{"name": "PYSPARK_PYTHON", "value": "./environment/bin/python"}], "bring it by --requirements"),
    ],
)
def test_a_module_that_is_missing_belongs_to_the_python_that_ran(w: World, env: list[JSON], hint: str) -> None:
    log = b"Traceback (most recent call last):\nModuleNotFoundError: No module named 'yaml'\n"
    fail(w, log=log, containers=[{"name": "c", "image": "i", "env": env}])

    assert f"No module named 'yaml': {hint}" in ended(w)["message"]


@pytest.mark.parametrize(("code", "metadata"), [(0, DRIVER), (1, EXECUTOR), (1, {})])
def test_nothing_is_said_of_what_succeeded_or_is_no_driver(w: World, code: int, metadata: JSON) -> None:
    fail(w, code, metadata=metadata)

    assert "message" not in ended(w)
    assert logs(w).asked == 0


def test_it_is_worked_out_once(w: World) -> None:
    fail(w)
    w.run_chores()

    assert logs(w).asked == 1


def test_a_log_that_breaks_off_is_asked_for_again(w: World) -> None:
    logs(w).breaks_off = True
    fail(w)
    assert "message" not in ended(w)

    logs(w).breaks_off = False
    w.controllers.causes.sweep()

    assert ended(w)["message"] == SENTENCE


def test_a_log_that_cannot_be_read_is_asked_for_again_and_keeps_nothing_up(w: World) -> None:
    logs(w).is_away = True
    fail(w)
    assert w.phase() == "Failed"
    assert "message" not in ended(w)

    logs(w).is_away = False
    w.controllers.causes.sweep()

    assert ended(w)["message"] == SENTENCE


def test_a_log_is_not_asked_for_for_ever(w: World) -> None:
    logs(w).is_away = True
    fail(w)
    logs(w).is_away = False
    w.pass_time(GIVE_UP_SECONDS + 1)

    w.controllers.causes.sweep()

    assert "message" not in ended(w)


def test_a_driver_that_ended_while_no_server_ran_says_why_once_it_is_seen(w: World) -> None:
    w.create_pod(metadata=DRIVER)
    w.provider.say(w.handle(), "c", TRACEBACK)
    w.provider.finish(w.handle(), 1)
    w.pass_time(GIVE_UP_SECONDS * 6)

    w.observe_all()

    assert ended(w)["message"] == SENTENCE


def test_a_late_log_is_waited_for_unless_an_error_says_why(w: World) -> None:
    logs(w).is_away = True
    fail(w, 3, log=b"no rows\n")
    logs(w).is_away = False
    finder = slow_finder(w)

    finder.sweep()
    assert "message" not in ended(w)
    w.pass_time(60)
    finder.sweep()

    assert ended(w)["message"] == "exit code 3, and its last line is: no rows"


def test_an_error_in_a_late_log_is_told_at_once(w: World) -> None:
    logs(w).is_away = True
    fail(w)
    logs(w).is_away = False

    slow_finder(w).pod_changed(w.pod())

    assert ended(w)["message"] == SENTENCE


def test_a_message_of_the_containers_own_stays(w: World) -> None:
    w.create_pod(metadata=DRIVER)
    w.provider.update(
        w.handle(),
        lambda state: replace(state, containers=tuple(replace(each, message="mine") for each in state.containers)),
    )
    w.provider.finish(w.handle(), 1)
    w.observe_all()

    assert ended(w)["message"] == "mine"
    assert logs(w).asked == 0


def test_only_the_end_of_a_log_is_looked_at(w: World) -> None:
    fail(w, log=TRACEBACK + b"x" * TAIL_BYTES)

    assert "ValueError" not in ended(w)["message"]


def test_bytes_that_are_no_text_do_no_harm(w: World) -> None:
    fail(w, 2, log=b"\xff\xfe\x00bad\n")

    assert ended(w)["message"].startswith("exit code 2, and its last line is: ")


def test_the_value_of_a_secret_is_not_told(w: World) -> None:
    w.create("secrets", "db", data={"key": "czNjcjN0"})
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "db", "key": "key"}}}
    fail(w, 2, log=b"bad key s3cr3t\n", containers=[{"name": "c", "image": "i", "env": [variable]}])

    assert ended(w)["message"] == "exit code 2, and its last line is: bad key ***"


@pytest.mark.parametrize(
    ("metadata", "code", "sentence"),
    [
        (DRIVER, 137, "the driver used more memory than its pod may (1433Mi): raise --driver-memory"),
        (EXECUTOR, 137, "the executor used more memory than its pod may (1433Mi): raise --executor-memory"),
    ],
)
def test_who_used_too_much_memory_says_so_without_a_log(w: World, metadata: JSON, code: int, sentence: str) -> None:
    limited = {"name": "c", "image": "i", "resources": {"limits": {"memory": "1433Mi"}}}
    fail(w, code, reason="OOMKilled", metadata=metadata, containers=[limited])

    assert ended(w)["message"].startswith(sentence)
    assert logs(w).asked == 0


def test_a_providers_figures_of_memory_are_told_with_what_to_do(w: World) -> None:
    w.create_pod(metadata=DRIVER)
    held = "held 2161 MiB of memory, 1433 MiB allowed"
    w.provider.update(
        w.handle(),
        lambda state: replace(state, containers=tuple(replace(each, message=held) for each in state.containers)),
    )
    w.provider.finish(w.handle(), 137, reason="OOMKilled")
    w.observe_all()
    w.observe_all()

    assert ended(w)["message"].startswith(
        f"the driver used more memory than its pod may ({held}): raise --driver-memory"
    )


def test_an_executor_without_heap_says_so(w: World) -> None:
    fail(w, 52, metadata=EXECUTOR)

    assert ended(w)["message"].startswith("it ran out of memory (Java heap space): raise --executor-memory")


def test_a_driver_over_its_time_says_so(w: World) -> None:
    w.create_pod(metadata=DRIVER, activeDeadlineSeconds=60)
    w.pass_time(61)
    w.resync()
    w.provider.finish(w.handle(), 143)
    w.observe_all()

    assert ended(w)["message"] == "it ran longer than the 60 s that it may (--time-limit)"


def test_a_driver_that_was_deleted_says_so_to_whoever_sees_it_last(w: World) -> None:
    seen: list[JSON] = []
    w.plane.stored.changes.subscribe("pods", ["REMOVED"], lambda _, pod: seen.append(pod))
    w.create_pod(metadata=DRIVER)

    w.delete("pods", "a")
    w.provider.finish(w.handle(), 143) if w.get("pods", "a") else None
    w.observe_all()

    assert [cause_of(pod) for pod in seen] == ["it was killed: its pod was deleted while it ran"]


def test_a_driver_that_never_started_says_why_it_was_refused() -> None:
    status = {"phase": "Failed", "reason": "NoImage", "message": "Pod was rejected: no such image"}

    assert cause_of({"status": status}) == "no such image"
    assert cause_of({"status": {"phase": "Failed", "reason": "Evicted"}}) == "Evicted"
    assert cause_of({"status": {"phase": "Succeeded"}}) == ""


def test_an_init_container_that_failed_is_explained(w: World) -> None:
    w.create_pod(metadata=DRIVER, initContainers=[{"name": "fetch-files", "image": "i"}])
    w.provider.say(w.handle(), "fetch-files", b"fetch-files: big.zip could not be fetched: 403\n")
    w.provider.finish(w.handle(), 1, container="fetch-files")
    w.provider.finish(w.handle(), None)
    w.observe_all()

    assert cause_of(w.pod()) == "big.zip could not be fetched: 403"
