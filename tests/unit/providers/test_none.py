"""The provider that launches nothing."""

from __future__ import annotations

import pytest

from chalicelib.providers.base import LogOptions, Provider, ProviderUnavailable, Task, TaskNotFound
from chalicelib.providers.none.provider import NoneProvider


def test_every_task_has_to_wait_for_a_node() -> None:
    provider: Provider = NoneProvider()

    with pytest.raises(ProviderUnavailable, match="0/0 nodes are available") as caught:
        provider.run(Task(uid="u", group="g", name="n", containers=()))

    assert caught.value.reason == "Unschedulable"


def test_it_has_no_node_and_knows_no_task() -> None:
    provider = NoneProvider()

    assert provider.capacities() == []
    assert provider.list_tasks() == []
    assert provider.describe(["any"]) == []
    with pytest.raises(TaskNotFound):
        provider.stop("any", grace_seconds=1)
    with pytest.raises(TaskNotFound):
        provider.logs("any", "main", LogOptions())
