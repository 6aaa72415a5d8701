"""Death at any line leaves no parked task behind and binds none twice: given back is what was taken.

As in test_crashes: a scenario runs until a call that is its last, and then a new control plane has time to heal.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.apimachinery.accessors import is_terminal
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.podmodel.record import handle_of
from tests.unit.controllers.crash_walk import CrashStores, walk
from tests.unit.controllers.ledger import assert_told_once
from tests.unit.controllers.parking_job import PROPERTIES, conf_of, create_driver, create_executor, living, parked_names
from tests.unit.controllers.world import World

pytestmark = pytest.mark.slow
CALLS_AT_MOST = 120  # more than any scenario here makes
BOUND = "/registry/sparkanywhere-bound-tasks/"


def park(w: World) -> None:
    """A driver's executors are parked, and it asks for none."""
    create_driver(w)


def bind(w: World) -> None:
    """It asks for both, and they run."""
    create_driver(w)
    for number in (1, 2):
        create_executor(w, number)
        w.provider.begin(handle_of(w.pod(f"exec-{number}")))
    w.observe_all()


def differ(w: World) -> None:
    """It asks for another shape than was foretold."""
    create_driver(w)
    create_executor(w, 1, memory="9Gi")


def lose(w: World) -> None:
    """A parked task is lost before its executor comes."""
    create_driver(w)
    w.provider.finish(w.handle("a-parked-1"), None, reason="SpotInterruption")
    create_executor(w, 1)
    w.observe_all()


def fail(w: World) -> None:
    """The driver fails with one executor bound, and is deleted."""
    create_driver(w)
    create_executor(w, 1)
    w.provider.finish(w.handle(), 1)
    w.observe_all()
    w.delete("pods", "a")
    w.observe_all()


def leave(w: World) -> None:
    """An executor is deleted by force right after it was bound."""
    create_driver(w)
    create_executor(w, 1)
    w.delete("pods", "exec-1", grace_seconds=0)


def warm(w: World) -> None:
    """A driver and an executor take warm tasks, and one is left to its time."""
    create_driver(w, "warm-1", warm="5m")
    create_driver(w, properties=PROPERTIES.replace("=2", "=1"))
    create_executor(w, 1)
    w.provider.begin(handle_of(w.pod("exec-1")))
    w.observe_all()


def keep(w: World) -> None:
    """A job leaves warm tasks, and the next one takes them."""
    create_driver(w, keep_warm="5m")
    w.provider.finish(w.handle(), 0)
    w.observe_all()
    create_driver(w, "b")


SCENARIOS: list[Callable[[World], None]] = [park, bind, differ, lose, fail, leave, warm, keep]


def assert_whole(w: World) -> None:
    """What runs is what living pods have, each its own; nothing waits any more; records are of pods that are there.

    And each second of all tasks is told of once.
    """
    assert_told_once(w)
    pods = [item.object() for item in w.storage.list("/registry/pods/").items]
    unended = {pod["metadata"]["name"]: handle_of(pod) for pod in pods if not is_terminal(pod)}
    # a driver waits for its ConfigMap where the client died before it made that
    handles = [handle for name, handle in unended.items() if handle or w.get("configmaps", conf_of(name))]
    assert sorted(handles) == living(w)
    assert len(set(handles)) == len(handles)
    assert parked_names(w) == []
    uids = {pod["metadata"]["uid"] for pod in pods}
    assert {item.object()["pod"] for item in w.storage.list(BOUND).items} <= uids
    assert not any("deletionTimestamp" in pod["metadata"] for pod in pods)


@pytest.mark.parametrize("after", [False, True], ids=["before-the-call", "after-the-call"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_crash_at_any_call_leaves_no_task_without_a_pod(
    scenario: Callable[[World], None], after: bool, stores: CrashStores
) -> None:
    dead = (StatusError, KeyError, AssertionError)  # of a scenario that goes on dead
    walk(scenario, assert_whole, stores, after=after, most=CALLS_AT_MOST, raised=dead)
