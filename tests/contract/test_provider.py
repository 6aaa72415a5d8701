"""What every Provider promises, the fake included."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.providers.base import LogOptions, Provider, TaskNotFound, TaskState
from tests.contract.provider_backends import ProviderFactory, container, ended, running, task
from tests.waiting import until


def test_a_started_task_is_known_by_its_handle(provider: Provider) -> None:
    one = task(container("sleep 600"))

    state = provider.run(one)

    assert state.uid == one.uid
    assert state.phase in ("pending", "running")
    assert [known.uid for known in provider.describe([state.handle])] == [one.uid]
    assert [known.handle for known in provider.list_tasks()] == [state.handle]


def test_a_task_carries_its_labels(provider: Provider) -> None:
    state = provider.run(task(container("sleep 600")))

    assert dict(state.labels)["app"] == "test"


def test_running_a_task_again_finds_the_first(provider: Provider) -> None:
    one = task(container("sleep 600"))
    first = provider.run(one)

    second = provider.run(one)

    assert second.handle == first.handle
    assert len(provider.list_tasks()) == 1


def test_a_task_run_by_many_threads_starts_once(provider: Provider) -> None:
    one = task(container("echo started; sleep 600"))

    with ThreadPoolExecutor(8) as pool:
        handles = {state.handle for state in pool.map(provider.run, [one] * 8)}

    assert len(handles) == 1
    (handle,) = handles
    running(provider, handle)
    until(lambda: b"started" in b"".join(provider.logs(handle, "main", LogOptions())), "it speaks")
    assert b"".join(provider.logs(handle, "main", LogOptions())) == b"started\n"


def test_an_ended_task_is_not_started_again(provider: Provider) -> None:
    one = task(container("echo started; exit 4"))
    handle = provider.run(one).handle
    ended(provider, handle)

    again = provider.run(one)

    assert again.phase == "stopped"
    assert b"".join(provider.logs(handle, "main", LogOptions())) == b"started\n"


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (1, "Error"), (137, "Error"), (255, "Error")])
def test_the_exit_code_is_reported(provider: Provider, code: int, reason: str) -> None:
    handle = provider.run(task(container(f"exit {code}"))).handle

    state = ended(provider, handle)

    (only,) = state.containers
    assert (only.phase, only.exit_code, only.reason) == ("stopped", code, reason)
    assert state.started_at
    assert state.stopped_at
    assert only.started_at
    assert only.finished_at
    assert only.started_at <= only.finished_at <= state.stopped_at


def test_a_task_ends_with_its_last_container(provider: Provider) -> None:
    two = task(container("exit 3", name="short"), container("sleep 600", name="long"))
    handle = provider.run(two).handle
    running(provider, handle, "long")
    until(lambda: provider.describe([handle])[0].containers[0].phase == "stopped", "the short one ends")

    middle = provider.describe([handle])[0]
    provider.stop(handle, grace_seconds=5)
    last = ended(provider, handle)

    assert middle.phase == "running"
    assert [one.exit_code for one in last.containers] == [3, 143]


def test_a_stopped_task_says_why(provider: Provider) -> None:
    handle = provider.run(task(container("sleep 600"))).handle
    running(provider, handle)

    provider.stop(handle, grace_seconds=5, reason="Deleted")

    assert ended(provider, handle).reason == "Deleted"


def test_stopping_twice_does_no_harm(provider: Provider) -> None:
    handle = provider.run(task(container("sleep 600"))).handle
    provider.stop(handle, grace_seconds=5)
    provider.stop(handle, grace_seconds=0)

    ended(provider, handle)
    provider.stop(handle, grace_seconds=0)


def test_an_unknown_task_can_not_be_stopped(provider: Provider) -> None:
    with pytest.raises(TaskNotFound):
        provider.stop("no-such-task", grace_seconds=1)


def test_an_unknown_task_has_no_log(provider: Provider) -> None:
    with pytest.raises(TaskNotFound):
        provider.logs("no-such-task", "main", LogOptions())


def test_an_unknown_container_has_no_log(provider: Provider) -> None:
    handle = provider.run(task(container("exit 0"))).handle

    with pytest.raises(TaskNotFound):
        provider.logs(handle, "other", LogOptions())


def test_unknown_handles_are_left_out_of_a_description(provider: Provider) -> None:
    assert provider.describe(["no-such-task"]) == []


def test_a_removed_task_is_forgotten(provider: Provider) -> None:
    handle = provider.run(task(container("exit 0"))).handle
    ended(provider, handle)

    provider.remove(handle)
    provider.remove(handle)

    assert provider.list_tasks() == []


def test_a_running_task_can_be_removed(provider: Provider) -> None:
    handle = provider.run(task(container("sleep 600"))).handle
    running(provider, handle)

    provider.remove(handle)

    assert provider.list_tasks() == []


def test_the_last_lines_of_a_log_can_be_asked_for(provider: Provider) -> None:
    handle = provider.run(task(container("echo one; echo two; echo three"))).handle
    ended(provider, handle)

    assert b"".join(provider.logs(handle, "main", LogOptions(tail_lines=2))) == b"two\nthree\n"
    assert b"".join(provider.logs(handle, "main", LogOptions(tail_lines=0))) == b""
    assert b"".join(provider.logs(handle, "main", LogOptions(tail_lines=9))) == b"one\ntwo\nthree\n"


def test_a_log_can_be_cut_off(provider: Provider) -> None:
    handle = provider.run(task(container("echo one; echo two"))).handle
    ended(provider, handle)

    assert b"".join(provider.logs(handle, "main", LogOptions(limit_bytes=5))) == b"one\nt"


def test_the_observer_sees_the_end_and_growing_versions(provider: Provider) -> None:
    seen: list[TaskState] = []
    provider.start(seen.append)

    handle = provider.run(task(container("exit 5"))).handle

    until(lambda: any(state.phase == "stopped" for state in seen), "the end is observed")
    assert {state.handle for state in seen} == {handle}
    versions = [state.version for state in seen]
    assert versions == sorted(set(versions))
    assert seen[-1].containers[0].exit_code == 5


def test_the_observer_is_told_in_another_thread(provider: Provider) -> None:
    threads: list[str] = []
    provider.start(lambda _: threads.append(threading.current_thread().name))

    provider.run(task(container("exit 0")))

    until(lambda: bool(threads), "something is observed")
    assert threading.current_thread().name not in threads


def test_another_handle_on_the_backend_knows_the_tasks(provider_factory: ProviderFactory) -> None:
    first = provider_factory.open()
    handle = first.run(task(container("sleep 600"))).handle
    first.close()

    second = provider_factory.open()

    assert running(second, handle).phase == "running"
    assert [state.handle for state in second.list_tasks()] == [handle]


def test_close_may_be_repeated(provider: Provider) -> None:
    provider.start(lambda _: None)

    provider.close()
    provider.close()
