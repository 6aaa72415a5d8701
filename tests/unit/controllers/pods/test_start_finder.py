"""What a driver's log tells of its start, in the driver's annotation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.start_phases import executor_start, told_start
from chalicelib.controllers.pods.start_finder import GIVE_UP_SECONDS
from chalicelib.providers.base import LogOptions, ProviderUnavailable
from chalicelib.resources.pods.marks import START
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.parking_job import create_driver, create_executor
from tests.unit.controllers.world import World

MADE = "26/11/30 16:00:03 INFO SparkContext: Running Spark version 4.3.0"
REGISTERED = (
    "26/11/30 16:00:09 INFO KubernetesClusterSchedulerBackend$KubernetesDriverEndpoint: Registered executor"
    " NettyRpcEndpointRef(spark-client://Executor) (10.0.0.7:41236) with ID {},  ResourceProfileId 0"
)
NO_ARCHIVE = "sparkanywhere: this JVM starts without the archive of Spark's classes: a.jar is not what it was"


class Logs(FakeProvider):
    """A fake whose containers' output has its times with it, and whose logs can be away."""

    is_away = False

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Return the log, or raise."""
        if self.is_away:
            raise ProviderUnavailable("Throttled", "later")
        assert options.timestamps
        return super().logs(handle, container, replace(options, timestamps=False))


@pytest.fixture
def w() -> World:
    """Return a World in which a driver runs, that waits for two executors."""
    clock = Clock()
    w = World(MemoryStorage(), provider=Logs(clock=clock), clock=clock)
    create_driver(w, park="")
    w.observe_all()
    return w


def say(w: World, *lines: tuple[float, str]) -> None:
    """Have the driver log lines, each so many seconds after it ran."""
    ran_at = told_start(w.pod())[1]
    assert ran_at is not None
    stamped = (f"{stamp(ran_at + timedelta(seconds=after))} {line}\n" for after, line in lines)
    w.provider.say(w.handle(), "spark-kubernetes-driver", "".join(stamped).encode())


def stamp(moment: datetime) -> str:
    """Return a time as logs have it."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}000Z"


def told(w: World) -> JSON:
    """Return what the driver's annotation says."""
    found: JSON = json.loads(w.pod()["metadata"]["annotations"][START])
    return found


def test_a_running_driver_tells_what_its_log_does(w: World) -> None:
    say(w, (3.25, MADE), (9.5, REGISTERED.format(1)))
    w.controllers.starts.sweep()
    assert told_start(w.pod())[0] == {"JVM": 3.25}

    say(w, (11.0, REGISTERED.format(2)))
    w.controllers.starts.sweep()

    assert told_start(w.pod())[0] == {"JVM": 3.25, "register": 7.75}
    assert told(w)["executors"] == {"1": 9.5, "2": 11.0}


def test_an_executors_jvm_ends_as_it_registers(w: World) -> None:
    w.pass_time(5)
    create_executor(w, 2)
    w.observe_all()
    say(w, (1.0, MADE), (9.5, REGISTERED.format(2)))
    w.controllers.starts.sweep()

    assert executor_start(w.pod("exec-2"), w.pod())["JVM"] == 4.5
    assert "JVM" not in executor_start(w.pod("exec-2"), {"metadata": {}})


def test_a_short_job_is_looked_at_as_it_ends(w: World) -> None:
    say(w, (0.75, MADE), (3.0, REGISTERED.format(1)), (3.5, REGISTERED.format(2)))
    w.provider.finish(w.handle(), 0)
    w.observe_all()

    assert told_start(w.pod())[0] == {"JVM": 0.75, "register": 2.75}


def test_a_driver_that_has_told_all_is_not_asked_again(w: World) -> None:
    say(w, (1.0, MADE), (2.0, REGISTERED.format(1)), (3.0, REGISTERED.format(2)))
    w.controllers.starts.sweep()
    before = w.pod()
    say(w, (9.0, REGISTERED.format(3)))
    w.controllers.starts.sweep()

    assert w.pod() == before


def test_a_driver_that_says_nothing_is_given_up(w: World) -> None:
    w.pass_time(GIVE_UP_SECONDS)
    say(w, (1.0, MADE))
    w.controllers.starts.sweep()

    assert told_start(w.pod())[0] == {}


def test_a_slow_jvm_says_what_its_log_knows_of_it(w: World) -> None:
    say(w, (0.0, NO_ARCHIVE), (8.0, MADE))
    w.controllers.starts.sweep()

    assert "a.jar is not what it was" in told(w)["faster"]


def test_a_log_that_cannot_be_read_is_asked_again(w: World) -> None:
    say(w, (1.0, MADE))
    assert isinstance(w.provider, Logs)
    w.provider.is_away = True
    w.controllers.starts.sweep()
    assert told_start(w.pod())[0] == {}

    w.provider.is_away = False
    w.controllers.starts.sweep()

    assert told_start(w.pod())[0] == {"JVM": 1.0}
