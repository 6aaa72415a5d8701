"""The PodController: what sync and observe make of pods and tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chalicelib.controllers.podmodel.record import handle_of, version_of
from chalicelib.providers.base import LogOptions, ProviderUnavailable
from chalicelib.storage.base import Change, StoredObject
from tests.fake_provider import FakeProvider, SlowProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


def test_created_pod_becomes_a_task(w: World) -> None:
    w.create_pod()

    pod = w.pod()
    assert [task.uid for task in w.provider.tasks] == [pod["metadata"]["uid"]]
    assert pod["spec"]["nodeName"] == "fake"
    assert handle_of(pod) == w.handle()
    assert ("Scheduled", "Successfully assigned ns/a to fake") in w.events()


def test_sync_again_starts_nothing_more(w: World) -> None:
    w.create_pod()
    before = w.storage.revision()

    w.pods.sync(w.pod())

    assert len(w.provider.tasks) == 1
    assert w.storage.revision() == before


def test_sync_with_an_outdated_pod_starts_nothing_more(w: World) -> None:
    created = w.create_pod()

    w.pods.sync(created)

    assert len(w.provider.tasks) == 1


def test_reports_move_the_status(w: World) -> None:
    w.create_pod()
    w.observe_all()
    assert w.phase() == "Running"
    assert w.pod()["status"]["podIP"] == w.provider.list_tasks()[0].address

    w.provider.finish(w.handle(), 0)
    w.observe_all()

    assert w.phase() == "Succeeded"
    assert w.pod()["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_report_that_says_nothing_new_writes_nothing(w: World) -> None:
    w.create_pod()
    w.observe_all()
    before = w.storage.revision()
    state = w.provider.list_tasks()[0]

    w.pods.observe(state)
    w.pods.observe(replace(state, version=state.version + 1))

    assert w.storage.revision() == before


def test_the_address_alone_of_a_pod_that_waits_is_written_with_the_next_news() -> None:
    w = World(MemoryStorage(), provider=FakeProvider(hold_pending=True))
    w.create_pod()
    before = w.pod()
    w.provider.update(w.handle(), lambda state: replace(state, address="10.9.9.9"))

    w.observe_all()
    assert w.pod() == before

    w.provider.begin(w.handle())
    w.observe_all()
    assert w.pod()["status"]["podIP"] == "10.9.9.9"


def test_older_report_changes_nothing(w: World) -> None:
    w.provider.hold_pending = True
    w.create_pod()
    pending = w.provider.list_tasks()[0]
    w.provider.begin(w.handle())
    w.observe_all()

    w.pods.observe(pending)

    assert w.phase() == "Running"


def test_finished_pod_stays_finished(w: World) -> None:
    w.create_pod()
    running = w.provider.list_tasks()[0]
    w.provider.finish(w.handle(), 1)
    w.observe_all()

    w.pods.observe(replace(running, version=99))

    assert w.phase() == "Failed"


def test_report_of_another_task_with_that_uid_is_dropped(w: World) -> None:
    w.create_pod()
    w.observe_all()
    ghost = replace(w.provider.list_tasks()[0], handle="ghost", phase="stopped", version=99)

    w.pods.observe(ghost)

    assert w.phase() == "Running"


def test_report_about_no_pod_is_left_alone(w: World) -> None:
    w.create_pod()
    stranger = replace(w.provider.list_tasks()[0], uid="nobody")
    before = w.storage.revision()

    w.pods.observe(stranger)

    assert w.storage.revision() == before


def test_report_that_comes_before_the_handle_is_saved_saves_it(w: World) -> None:
    w.provider.failures.append(ProviderUnavailable("Slow", "not yet"))
    w.create_pod()
    pod = w.pod()
    w.create_pod("other")
    state = replace(w.provider.list_tasks()[0], uid=pod["metadata"]["uid"], handle="h")

    w.pods.observe(state)

    assert handle_of(w.pod()) == "h"
    assert w.pod()["spec"]["nodeName"] == "fake"
    assert version_of(w.pod()) == state.version


def test_a_pending_task_is_saved_by_who_starts_it_or_by_the_next_sync() -> None:
    provider = SlowProvider(hold_pending=True)
    w = World(MemoryStorage(), provider=provider)

    def hear_of_it() -> None:
        w.observe_all()
        assert handle_of(w.pod()) == ""

    provider.meanwhile = hear_of_it
    w.create_pod()
    assert handle_of(w.pod()) == w.handle()

    died = World(MemoryStorage(), provider=FakeProvider(hold_pending=True))
    died.provider.failures.append(ProviderUnavailable("Crash", "of ours, once the task was started"))
    died.create_pod()
    died.pass_time(60)
    died.resync()
    assert handle_of(died.pod()) == died.handle()


def test_unavailable_provider_leaves_the_pod_pending_and_is_asked_again_later(w: World) -> None:
    w.provider.failures += [ProviderUnavailable("Capacity", "none left")] * 2
    w.create_pod()
    assert w.phase() == "Pending"
    assert w.pod()["status"]["conditions"][0]["reason"] == "Capacity"
    assert w.events() == [("FailedScheduling", "Capacity: none left")]

    w.pods.retry()
    assert len(w.provider.failures) == 1, "tried again at once"
    w.pass_time(1)
    w.pods.retry()
    assert w.provider.failures == []
    w.pass_time(1)
    w.pods.retry()
    assert w.provider.tasks == [], "the second pause is longer"
    w.pass_time(1)
    w.pods.retry()

    assert len(w.provider.tasks) == 1
    condition = next(c for c in w.pod()["status"]["conditions"] if c["type"] == "PodScheduled")
    assert condition["status"] == "True"


def with_sidecar(w: World, policy: str) -> None:
    sidecar = {"name": "s", "image": "i", "restartPolicy": "Always"}
    w.create_pod(initContainers=[sidecar], restartPolicy=policy, terminationGracePeriodSeconds=5)
    w.observe_all()


@pytest.mark.parametrize(("policy", "exit_code"), [("Never", 0), ("Never", 1), ("OnFailure", 0)])
def test_sidecar_is_stopped_when_the_main_container_has_ended(w: World, policy: str, exit_code: int) -> None:
    with_sidecar(w, policy)

    w.provider.finish(w.handle(), exit_code, container="c")
    w.observe_all()
    assert w.provider.stops == [(w.handle(), 5.0)]
    w.observe_all()

    assert w.phase() == ("Failed" if exit_code else "Succeeded")


@pytest.mark.parametrize(("policy", "exit_code"), [("OnFailure", 1), ("Always", 0)])
def test_sidecar_goes_on_while_the_main_container_starts_again(w: World, policy: str, exit_code: int) -> None:
    with_sidecar(w, policy)

    w.provider.finish(w.handle(), exit_code, container="c")
    w.observe_all()

    assert w.provider.stops == []


def test_sidecar_that_was_not_stopped_is_stopped_by_resync(w: World) -> None:
    with_sidecar(w, "Never")
    w.provider.finish(w.handle(), 0, container="c")
    w.observe_all()
    w.provider.stops.clear()

    w.resync()

    assert [handle for handle, _ in w.provider.stops] == [w.handle()]


def test_gated_pod_is_not_started(w: World) -> None:
    w.create_pod(schedulingGates=[{"name": "example.com/gate"}])

    assert w.provider.tasks == []


def test_pod_bound_to_another_node_is_left_alone(w: World) -> None:
    w.create_pod(nodeName="elsewhere")

    w.delete("pods", "a")

    assert w.provider.tasks == []
    assert w.get("pods", "a") is not None


def test_control_plane_that_launches_nothing_writes_nothing() -> None:
    w = World(MemoryStorage(), launches=False)
    created = w.create_pod()

    w.run_chores()

    assert w.provider.tasks == []
    assert w.pod() == created


def test_lost_annotation_is_no_lost_task(w: World) -> None:
    w.create_pod()
    pod = w.pod()
    pod["metadata"]["annotations"] = {}
    w.storage.update("/registry/pods/ns/a", pod, expected_revision=int(pod["metadata"]["resourceVersion"]))
    w.provider.say(w.handle(), "c", b"hello\n")

    assert b"".join(w.pods.logs(w.pod(), "c", LogOptions())) == b"hello\n"
    w.delete("pods", "a")
    assert [handle for handle, _ in w.provider.stops] == [w.handle()]


def test_field_that_is_not_honoured_is_named_in_an_event(w: World) -> None:
    probe = {"exec": {"command": ["true"]}}
    w.create_pod(containers=[{"name": "c", "image": "i", "livenessProbe": probe}])

    assert ("NotHonoured", "not honoured here: spec.containers[0].livenessProbe") in w.events()


def test_whole_life_of_a_pod_takes_few_writes(w: World) -> None:
    before = w.storage.revision()
    w.create_pod()
    w.observe_all()
    w.provider.finish(w.handle(), 0)
    w.observe_all()

    events = w.storage.events_after("/registry/pods/", before).events
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "MODIFIED"]


def sizes_of_transactions(w: World) -> list[int]:
    """Return a list that fills with how many objects each transaction writes."""
    sizes: list[int] = []
    transact = w.storage.transact

    def counted(changes: Sequence[Change]) -> Sequence[StoredObject]:
        sizes.append(len(changes))
        return transact(changes)

    w.storage.transact = counted  # type: ignore[method-assign]
    return sizes


def test_each_event_is_written_by_itself_beside_the_state(w: World) -> None:
    sizes = sizes_of_transactions(w)

    w.create_pod(automountServiceAccountToken=False)  # whose key is made with the first one

    assert [reason for reason, _ in w.events()] == ["Scheduled", "Started"]
    assert sizes == [1, 1, 1, 1]


def test_event_that_is_there_already_is_counted_and_the_state_is_stored(w: World) -> None:
    first, second = ProviderUnavailable("Capacity", "none left"), ProviderUnavailable("Quota", "used up")
    w.provider.failures += [first, second, first]
    w.create_pod()
    for _ in range(2):
        w.pass_time(60)
        w.pods.retry()

    assert w.provider.failures == []
    assert w.pod()["status"]["conditions"][0]["reason"] == "Capacity"
    counts = {each.object()["message"]: each.object()["count"] for each in w.storage.list("/registry/events/").items}
    assert counts == {"Capacity: none left": 2, "Quota: used up": 1}
