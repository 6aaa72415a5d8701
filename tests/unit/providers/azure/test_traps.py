"""What Azure does that nobody would expect, replayed by the box."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chalicelib.providers.base import THROTTLED, LogOptions, ProviderUnavailable, RefusedError, TaskRejected, TaskState
from chalicelib.providers.extensions import HasQuotas
from tests.aws_box.wire import Answer
from tests.azure_box.box import Faults, refusal
from tests.contract.azure_backend import AzureProviders
from tests.contract.provider_backends import container, ended, running, task
from tests.waiting import until


def test_a_group_whose_provisioning_has_failed_is_deleted_once_it_is_told(azure: AzureProviders) -> None:
    azure.box.behaviour.failing.append("Failed to pull image: not found")
    provider = azure.open()

    handle = provider.run(task(container("sleep 600"))).handle
    state = ended(provider, handle)
    (group,) = azure.box.created

    assert state.reason == "ErrImagePull"
    assert azure.box.groups == {}
    tries = group.tries
    assert provider.describe([handle]) == [state]
    assert group.tries == tries


def test_a_container_that_is_restarted_in_spite_of_never_does_not_run_twice(azure: AzureProviders) -> None:
    azure.box.behaviour.restarts_failed = True
    provider = azure.open()
    seen: list[TaskState] = []

    handle = provider.run(task(container("echo once; exit 3"))).handle
    until(lambda: azure.box.groups[handle].restarts > 1, "Azure restarts it")
    said = azure.box.groups[handle].log("main", timestamps=False)
    provider.start(seen.append)
    until(lambda: any(each.phase == "stopped" for each in seen), "the end is told")

    assert seen[-1].containers[0].exit_code == 3
    assert said == ""  # of the latest run
    until(lambda: azure.box.groups == {}, "the group is deleted")


def test_an_ended_group_is_deleted_and_told_of_from_what_was_kept(azure: AzureProviders) -> None:
    provider = azure.open()
    handle = provider.run(task(container("echo said; exit 4"))).handle
    state = ended(provider, handle)

    again = azure.open()

    assert azure.box.groups == {}
    (kept,) = again.describe([handle])
    assert (kept.phase, kept.containers) == ("stopped", state.containers)
    assert kept.version > state.version
    assert b"".join(again.logs(handle, "main", LogOptions())) == b"said\n"


def test_a_log_that_azure_cuts_at_its_end_is_whole_where_it_was_looked_at(azure: AzureProviders) -> None:
    provider = azure.open()
    provider.start(lambda _: None)
    lines = "".join(f"{number:0100}\n" for number in range(400))  # 40 KB, of which Azure keeps 16
    script = "i=0; while [ $i -lt 400 ]; do printf '%0100d\\n' $i; i=$((i + 1)); done; read -r line < stop"
    handle = provider.run(task(container(f"mkfifo stop; ({script}); echo last"))).handle

    def kept() -> int:
        path = azure.folder / handle / "main.log"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    until(lambda: kept() == 400, "the log is kept while the container runs")
    provider.stop(handle, grace_seconds=5)
    ended(provider, handle)

    assert b"".join(provider.logs(handle, "main", LogOptions())).decode() == lines


def test_a_log_that_was_cut_says_so_where_it_was_not_looked_at(azure: AzureProviders) -> None:
    provider = azure.open()
    handle = provider.run(task(container("echo first; sleep 600"))).handle
    running(provider, handle)
    until(lambda: b"first" in b"".join(provider.logs(handle, "main", LogOptions())), "it speaks")
    azure.box.groups[handle].said = [f"line {number}" for number in range(2000)]
    provider.stop(handle, grace_seconds=5)
    ended(provider, handle)

    said = b"".join(provider.logs(handle, "main", LogOptions())).decode().splitlines()

    assert said[0] == "first"
    assert "gap" in said[1]
    assert said[-1] == "line 1999"


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (
            refusal(409, "ContainerGroupQuotaReached", "quota 'StandardCores' exceeded"),
            ProviderUnavailable,
            "QuotaExceeded",
        ),
        (refusal(409, "ServiceUnavailable", "is not available in the location"), ProviderUnavailable, "NoCapacity"),
        (refusal(429, "TooManyRequests", "x", ("Retry-After", "1800")), ProviderUnavailable, "QuotaExceeded"),
        (refusal(429, "TooManyRequests", "x", ("Retry-After", "5")), ProviderUnavailable, THROTTLED),
        (refusal(403, "AuthorizationFailed", "no right"), ProviderUnavailable, "Credentials"),
        (refusal(409, "ContainerGroupTransitioning", "still transitioning"), ProviderUnavailable, "Conflict"),
        (refusal(500, "InternalServerError", "x"), ProviderUnavailable, "Unavailable"),
        (refusal(400, "InaccessibleImage", "The image x is not accessible"), TaskRejected, "ErrImagePull"),
        (refusal(400, "InvalidParameter", "x"), TaskRejected, "InvalidParameter"),
    ],
)
def test_refusals_say_what_to_wait_for(
    azure: AzureProviders, answer: Answer, error: type[RefusedError], reason: str
) -> None:
    azure.box.refusals.append(answer)
    provider = azure.open()

    with pytest.raises(error) as refused:
        provider.run(task(container("exit 0")))

    assert refused.value.reason == reason
    assert azure.box.created == []


def test_while_azure_asks_for_a_pause_nothing_is_asked(azure: AzureProviders) -> None:
    azure.box.refusals.append(refusal(429, "TooManyRequests", "x", ("Retry-After", "30")))
    provider, calls = azure.open(), azure.box.calls
    with pytest.raises(ProviderUnavailable):
        provider.run(task(container("exit 0")))
    asked = calls.total()

    with pytest.raises(ProviderUnavailable) as refused:
        provider.list_tasks()

    assert refused.value.reason == THROTTLED
    assert calls.total() == asked


def test_the_101st_group_waits_for_the_quota(azure: AzureProviders) -> None:
    azure.box.limits.groups = 1
    provider = azure.open()
    first = provider.run(task(container("exit 0"))).handle

    with pytest.raises(ProviderUnavailable) as refused:
        provider.run(task(container("exit 0")))
    ended(provider, first)
    second = provider.run(task(container("exit 0")))

    assert refused.value.reason == "QuotaExceeded"
    assert second.phase in ("pending", "running", "stopped")


def test_quotas_are_asked_once(azure: AzureProviders) -> None:
    provider = azure.open()
    assert isinstance(provider, HasQuotas)

    assert [(each.capacity, each.vcpus) for each in provider.quotas()] == [("on-demand", 100.0)]
    provider.quotas()

    assert azure.box.calls["usages"] == 1


@pytest.mark.parametrize("lists_views", [True, False])
def test_polls_cost_one_list_and_groups_are_asked_for_only_where_it_says_nothing(
    azure: AzureProviders, lists_views: bool
) -> None:
    azure.box.behaviour.lists_views, azure.box.limits.page = lists_views, 2
    provider = azure.open()
    handles = {provider.run(task(container("sleep 600"))).handle for _ in range(3)}
    seen: dict[str, str] = {}
    got = azure.box.calls["GET"]

    provider.start(lambda state: seen.update({state.handle: state.phase}))
    until(lambda: {*seen} == handles and {*seen.values()} == {"running"}, "all of them run")

    assert (azure.box.calls["GET"] == got) == lists_views


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_under_faults_each_task_runs_once_and_its_end_is_told(azure: AzureProviders, seed: int) -> None:
    azure.box.faults = Faults(rate=0.3, seed=seed)
    provider = azure.open()
    ends: dict[str, list[int | None]] = {}

    def observe(state: TaskState) -> None:
        if state.phase == "stopped":
            ends.setdefault(state.handle, []).append(state.containers[0].exit_code)

    provider.start(observe)
    tasks = [task(container(f"exit {code}")) for code in range(6)]

    def run(number: int) -> str:
        found: list[str] = []

        def has_run() -> bool:
            try:
                found.append(provider.run(tasks[number]).handle)
            except ProviderUnavailable:
                return False
            return True

        until(has_run, "it is started")
        return found[-1]

    with ThreadPoolExecutor(6) as pool:
        handles = list(pool.map(run, range(6)))
    until(lambda: ends.keys() == {*handles}, "all ends are told")
    until(lambda: azure.box.groups == {}, "all groups are deleted")

    assert [ends[each] for each in handles] == [[code] for code in range(6)]
    assert len(azure.box.created) == 6
    assert azure.box.faults.seen.total() > azure.box.faults.seen[""]


def test_a_control_plane_leaves_the_groups_of_others_alone(azure: AzureProviders) -> None:
    provider = azure.open()
    handle = provider.run(task(container("sleep 600"))).handle
    body = azure.box.groups[handle].body
    azure.box.groups[handle].body = {**body, "tags": {**body["tags"], "sparkanywhere-instance": "another"}}

    assert provider.list_tasks() == []


def test_a_task_of_another_attempt_is_another_group(azure: AzureProviders) -> None:
    provider, one = azure.open(), task(container("exit 0"))

    handles = {provider.run(replace(one, attempt=attempt)).handle for attempt in range(2)}

    assert len(handles) == 2


def test_a_group_of_which_azure_cannot_tell_keeps_no_news_of_others(azure: AzureProviders) -> None:
    provider = azure.open()
    mute, other = (provider.run(task(container("sleep 600"))).handle for _ in range(2))
    azure.box.broken.add(mute)
    seen: list[TaskState] = []

    provider.start(seen.append)

    until(lambda: any(each.handle == other for each in seen), "the other is told of")
    assert not any(each.handle == mute for each in seen)
