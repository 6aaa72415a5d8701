"""What must hold at the end: every task and every cent accounted for, nothing held, nothing kept that is over."""

from __future__ import annotations

from typing import Protocol

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, labels_of, phase_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import handle_of, is_lost
from tests.memory_storage import MemoryStorage
from tests.simulation.tasks import LivingTasks
from tests.simulation.timeline import Violation
from tests.unit.controllers.ledger import stored, told_seconds
from tests.unit.controllers.world import World

UNSEEN_SECONDS = 30  # from the forced removal of a pod to that of its task, by slow calls, whose end nobody sees


class Ended(Protocol):
    """What is looked at."""

    first: World
    tasks: LivingTasks
    storage: MemoryStorage


def assert_whole(end: Ended) -> None:
    """Raise Violation for what does not hold."""
    pods = stored(end.first, "pods")
    _assert_pods_have_their_tasks(end.tasks, pods)
    _assert_nothing_hangs(end, pods)
    _assert_counted(end)


def _assert_pods_have_their_tasks(tasks: LivingTasks, pods: list[JSON]) -> None:
    living = sorted(each.handle for each in tasks.living())
    claimed = sorted(handle_of(pod) for pod in pods if not is_terminal(pod) and handle_of(pod))
    if living != claimed:
        raise Violation(f"tasks run that no pod has: {living} of {claimed}")
    known, kept = {each.handle for each in tasks.known()}, {handle_of(pod) for pod in pods}
    if left := sorted(known - kept):
        raise Violation(f"ended tasks are kept that no pod has: {left}")
    for pod in pods:
        task = tasks.last.get(handle_of(pod))
        if task is not None and is_terminal(pod) != (task.phase == "stopped"):
            raise Violation(f"pod {pod['metadata']['name']} is {phase_of(pod)}, and its task {task.phase}")


def _assert_nothing_hangs(end: Ended, pods: list[JSON]) -> None:
    everything = end.storage.list("/registry/").items
    if held := [each.key for each in everything if is_deleting(each.object())]:
        raise Violation(f"deleted, and still there: {held}")
    if parked := [pod["metadata"]["name"] for pod in pods if labels_of(pod).get("spark-role") == "parked"]:
        raise Violation(f"still parked: {parked}")
    uids = {each.object()["metadata"]["uid"] for each in everything}
    for each in everything:
        resource, obj = each.key.split("/")[2], each.object()
        owners = [owner["uid"] for owner in obj["metadata"].get("ownerReferences") or ()]
        if owners and not uids.intersection(owners):
            raise Violation(f"{each.key} has outlived its owners")
        if resource == "sparkanywhere-removed":
            raise Violation(f"kept aside for good: {each.key}")
        if resource == "sparkanywhere-bound-tasks" and obj["pod"] not in uids:
            raise Violation(f"a record of a task's pod that is gone: {each.key}")
        if resource == "jobs":
            conditions = [condition["type"] for condition in status_of(obj).get("conditions") or ()]
            if not {"Complete", "Failed"}.intersection(conditions):
                raise Violation(f"{each.key} has not ended: {status_of(obj)}")


def _assert_counted(end: Ended) -> None:
    """Hold that each second of all applications' tasks is told of; of a lost one as long as anybody could know."""
    sparks = (task for handle, task in end.tasks.last.items() if "spark-app-selector" in end.tasks.kinds[handle])
    lived = sum(map(end.tasks.lived_seconds, sparks))
    told = told_seconds(end.first)
    pods = [*stored(end.first, "pods"), *(each["pod"] for each in stored(end.first, "podrecords"))]
    lost = sum(map(is_lost, pods))
    if told < lived - 0.5 - UNSEEN_SECONDS * lost:
        raise Violation(f"{lived:.0f} s of tasks, of which {told:.0f} are told")
