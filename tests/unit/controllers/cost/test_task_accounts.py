"""Each second of a task is in one account: the warm set's until a job's pod has the task, from then on the job's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.family import members_of
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.podmodel.usage import hourly_usd, usage
from chalicelib.providers.prices import flat_rates
from chalicelib.providers.registry import reference_prices
from sparkanywhere.jobs.usage import usage_of_seen
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.ledger import applications, lived_seconds, stored, told_seconds
from tests.unit.controllers.parking_job import PROPERTIES, create_driver, create_executor
from tests.unit.controllers.world import World

ONE = PROPERTIES.replace("=2", "=1")


class Watched(World):
    """A world whose pods a client watches, as `run` does."""

    def look(self) -> None:
        """Take in what a watch has told."""
        found = {each["metadata"]["name"]: each for each in stored(self, "pods")}
        last = {each["pod"]["metadata"]["name"]: each["pod"] for each in stored(self, "podrecords")}
        self.seen = {**getattr(self, "seen", {}), **last, **found}
        self.gone = self.seen.keys() - found.keys()

    def wait(self, seconds: float) -> None:
        """Let time pass between two looks."""
        self.look()
        self.pass_time(seconds)
        self.observe_all()
        self.look()


def begin(w: Watched, *names: str) -> None:
    for name in names:
        w.provider.begin(handle_of(w.pod(name)))
    w.observe_all()


def end(w: Watched) -> None:
    """The job runs for a minute and a half, its executors end and go, and then its driver."""
    begin(w, "a", *(name for name in ("exec-1", "exec-2") if w.get("pods", name)))
    w.wait(90)
    for name in ("exec-1", "exec-2"):
        if w.get("pods", name):
            w.delete("pods", name)
            w.observe_all()
    w.wait(10)
    w.provider.finish(handle_of(w.pod("a")), 0)
    w.wait(0)


def cold(w: Watched) -> None:
    create_driver(w, park="false")
    w.wait(40)
    create_executor(w, 1)
    w.wait(40)
    end(w)


def parked_executor(w: Watched) -> None:
    create_driver(w, properties=ONE)
    w.wait(40)
    create_executor(w, 1)
    w.wait(5)
    end(w)


def given_back(w: Watched) -> None:
    create_driver(w)
    w.wait(40)
    create_executor(w, 1)
    w.wait(5)
    end(w)


def warm_up(w: Watched) -> None:
    create_driver(w, "warm-1", warm="30m", properties=ONE)
    w.wait(35)


def warm_driver(w: Watched) -> None:
    warm_up(w)
    create_driver(w, park="false")
    w.wait(5)
    end(w)


def warm_parked_executor(w: Watched) -> None:
    warm_up(w)
    create_driver(w, properties=ONE)
    w.wait(95)
    create_executor(w, 1)
    w.wait(5)
    end(w)


def warm_dynamic_executor(w: Watched) -> None:
    warm_up(w)
    create_driver(w, park="false")
    w.wait(20)
    create_executor(w, 1)
    w.wait(5)
    end(w)


def warm_unused(w: Watched) -> None:
    warm_up(w)
    w.user = "ben"
    create_driver(w, park="false")
    w.wait(5)
    w.delete("pods", "warm-1")
    w.delete("pods", "warm-1-parked-1")
    w.observe_all()
    w.wait(5)
    end(w)


def short(w: Watched) -> None:
    """No task is there for a minute, and its least price is due once."""
    create_driver(w, "warm-1", warm="30m", properties=ONE)
    w.wait(10)
    create_driver(w, properties=ONE)
    w.wait(5)
    create_executor(w, 1)
    begin(w, "a", "exec-1")
    w.wait(5)
    for name in ("exec-1", "a"):
        w.provider.finish(handle_of(w.pod(name)), 0)
    w.wait(0)


# of whose account: vCPU-seconds of the warm set and of the job
TABLE: list[tuple[Callable[[Watched], None], int, int]] = [
    (cold, 0, 40 + 40 + 90 + 10 + 40 + 90),
    (parked_executor, 0, 2 * (40 + 5 + 90) + 10),
    (given_back, 0, 3 * (40 + 5 + 90) + 2 * 10),
    (warm_driver, 2 * 35 + 5 + 90 + 10, 5 + 90 + 10),
    (warm_parked_executor, 2 * 35, 2 * (95 + 5 + 90) + 10),
    (warm_dynamic_executor, 2 * 35 + 20, 20 + 5 + 90 + 10 + 5 + 90),
    (warm_unused, 2 * (35 + 5), 5 + 5 + 90 + 10),
    (short, 2 * 10, 2 * 10),
]


@pytest.fixture
def w() -> Watched:
    clock = Clock()
    provider = FakeProvider(clock=clock, hold_pending=True)
    return Watched(MemoryStorage(), provider=provider, clock=clock, usd_per_vcpu_hour=3.6, usd_per_gib_hour=0.0)


def is_of_job(pod: JSON) -> bool:
    return bool(labels_of(pod)["spark-app-selector"] == "spark-a")


@pytest.mark.parametrize(("story", "warm", "job"), TABLE, ids=lambda value: getattr(value, "__name__", ""))
def test_each_second_of_a_task_is_in_one_account_and_all_tell_the_same(
    w: Watched, story: Callable[[Watched], None], warm: int, job: int
) -> None:
    story(w)
    w.look()

    found, now, driver = applications(w), w.clock.now, w.pod("a")
    sets = [each for name, each in found.items() if name.startswith("warm-")]
    assert round(sum(each.usage(now).vcpu_seconds for each in sets)) == warm
    shown = found["a"].usage(now)
    assert round(shown.vcpu_seconds) == job
    assert round(told_seconds(w)) == round(lived_seconds(w)) == warm + job
    run = usage_of_seen({name: pod for name, pod in w.seen.items() if is_of_job(pod)}, w.gone, now)
    assert round(run.vcpu_seconds) == job
    assert run.usd == pytest.approx(shown.usd)
    family = [driver, *members_of(w.storage, driver["metadata"]["uid"], "ns")]
    budgeted = usage(family, flat_rates(3.6, 0.0), now) + w.controllers.usage.of(driver["metadata"]["uid"]).usage
    assert round(budgeted.vcpu_seconds) == job


def keep_warm(w: Watched) -> None:
    """The job ends after 90 s, and a task like its driver's waits for 300 s from then on; its executor's as well."""
    create_driver(w, park="false", properties=ONE, keep_warm="10m")
    begin(w, "a")
    w.wait(90)
    w.provider.finish(handle_of(w.pod("a")), 0)
    w.wait(0)
    w.wait(300)


def keep_warm_to_the_end(w: Watched) -> None:
    keep_warm(w)
    for name in ("warm-a", "warm-a-parked-1"):
        w.delete("pods", name)
    w.observe_all()
    w.pass_time(50)


def keep_warm_for_another(w: Watched) -> None:
    keep_warm(w)
    create_driver(w, "b", properties=ONE)
    w.wait(20)


@pytest.mark.parametrize(
    ("story", "waited", "next_job"),
    [(keep_warm, 300, 0), (keep_warm_to_the_end, 300, 0), (keep_warm_for_another, 300, 20)],
)
def test_what_waits_after_a_job_is_in_that_jobs_account_alone(
    w: Watched, story: Callable[[Watched], None], waited: int, next_job: int
) -> None:
    story(w)

    found, now, uid = applications(w), w.clock.now, w.pod("a")["metadata"]["uid"]
    shown = {name: round(each.usage(now).vcpu_seconds) for name, each in found.items()}
    assert shown.pop("a") == 90 + 2 * waited
    assert shown.pop("b", 0) == 2 * next_job
    assert set(shown.values()) <= {0}
    assert round(told_seconds(w)) == round(lived_seconds(w)) == 90 + 2 * (waited + next_job)
    family = [w.pod("a"), *members_of(w.storage, uid, "ns")]
    budgeted = usage(family, flat_rates(3.6, 0.0), now) + w.controllers.usage.of(uid).usage
    assert round(budgeted.vcpu_seconds) == 90 + 2 * waited
    if waiting := found.get("warm-a"):
        assert "paid by pi" in waiting.cause


def test_what_an_ended_job_has_kept_warm_is_told_of_though_its_driver_goes_first(w: Watched) -> None:
    keep_warm(w)

    w.delete("pods", "a")
    w.observe_all()

    assert stored(w, "pods") == []
    assert round(told_seconds(w)) == round(lived_seconds(w)) == 90 + 2 * 300


def test_the_least_price_of_a_task_is_paid_once(w: Watched) -> None:
    short(w)

    found, now = applications(w), w.clock.now
    hourly = sum(hourly_usd(w.pod(name), reference_prices().rates) for name in ("a", "exec-1"))
    assert sum(each.usage(now).usd for each in found.values()) == pytest.approx(hourly / 60)
