"""What ECS tells of the tasks of one cluster: of many at once, and of the rest where it does not tell of some."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from chalicelib.providers.base import ProviderUnavailable, TaskState, ToldInPart
from chalicelib.providers.fargate import clients
from chalicelib.providers.fargate.site import DeploymentConfig
from chalicelib.providers.fargate.states import Raw, task_state

DESCRIBE_AT_ONCE = 100  # DescribeTasks takes no more


class ClusterTasks:
    """The tasks of a deployment's cluster. Methods may be repeated."""

    def __init__(self, site: DeploymentConfig, ecs: Callable[[], Any]) -> None:  # Any: a boto3 client
        self._site = site
        self._ecs = ecs

    def states(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of the tasks that ECS still knows. Raises ToldInPart."""
        told, untold = self.describe(handles)
        return _all_told([task_state(raw) for raw in told], untold)

    def describe(self, handles: Sequence[str], *, tags: bool = False) -> tuple[list[Raw], dict[str, str]]:
        """Return what ECS tells of tasks, and by handle why it does not tell of others that it may know."""
        told, untold = list[Raw](), dict[str, str]()
        ecs, include = self._ecs(), ["TAGS"] if tags else []
        waiting = [list(handles[at : at + DESCRIBE_AT_ONCE]) for at in range(0, len(handles), DESCRIBE_AT_ONCE)]
        while waiting:
            some = waiting.pop(0)
            try:
                answer = ecs.describe_tasks(cluster=self._site.cluster, tasks=some, include=include)
            except ecs.exceptions.InvalidParameterException as error:
                if len(some) > 1:  # it understands one of them at least no more: halves tell which
                    waiting[:0] = [some[: len(some) // 2], some[len(some) // 2 :]]
                    continue
                untold[some[0]] = str(error)
            except Exception as error:
                is_gone = isinstance(error, ecs.exceptions.ClusterNotFoundException)
                left = [each for part in (some, *waiting) for each in part]
                # Nobody knows the tasks of a cluster that has been deleted.
                untold |= {each: str(error) for each in left if not (is_gone and self._site.runs(each))}
                break
            else:
                told += answer.get("tasks") or []
                for each in answer.get("failures") or ():
                    if each.get("reason") != "MISSING":  # "API failure reasons" of the Developer Guide
                        untold[str(each.get("arn"))] = str(each)
        return told, untold

    def running(self, known: Collection[str]) -> list[TaskState]:
        """Return this deployment's tasks that run or are about to, but for the known: a list has 100 a call, as ARNs.

        Of ended ones there is nothing to clean up. ECS shows those for an hour, and asking it to forget them would
        cost a call for each, each minute.
        """
        arns: list[str] = []
        try:
            pages = self._ecs().get_paginator("list_tasks")
            for page in pages.paginate(cluster=self._site.cluster, desiredStatus="RUNNING"):
                arns += page.get("taskArns") or []
        except Exception as error:
            raise ProviderUnavailable("Unavailable", str(clients.translated(error))) from error
        found, (told, untold) = [], self.describe([each for each in arns if each not in known], tags=True)
        for raw in told:
            tags = {each.get("key"): each.get("value") for each in raw.get("tags") or ()}
            is_ours = tags.get("sparkanywhere:deployment") == self._site.name
            # The group tells once ECS has dropped the tags of a stopped task.
            if is_ours or str(raw.get("group") or "").startswith(f"{self._site.name}:"):
                found.append(task_state(raw))
        return _all_told(found, untold)


def _all_told(states: list[TaskState], untold: Mapping[str, str]) -> list[TaskState]:
    """Return the states. Raises ToldInPart where it could not be told of some tasks, by handle why."""
    if untold:
        message = f"ECS does not tell of {len(untold)} tasks: " + "; ".join(sorted(set(untold.values()))[:3])
        raise ToldInPart("Unavailable", message, states=states, untold=untold.keys())
    return states
