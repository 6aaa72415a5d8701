"""Jobs, StatefulSets, ReplicaSets and Deployments, with a fake provider and a clock that stands still."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.workloads.deployments import REVISION
from chalicelib.controllers.workloads.jobs import format_indexes, parse_indexes
from chalicelib.registry.options import WriteOptions
from tests.unit.controllers.world import World

CONTAINERS: JSON = {"containers": [{"name": "c", "image": "image:1"}]}


def _job(w: World, **spec: Any) -> None:  # Any: fields of a Job's spec
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {**CONTAINERS, "restartPolicy": "Never"}}
    w.create("jobs", "j", spec={"template": template, **spec})


def _set(w: World, resource: str, **spec: Any) -> None:  # Any: fields of a spec
    template = {"metadata": {"labels": {"app": "x"}}, "spec": CONTAINERS}
    w.create(resource, "s", spec={"selector": {"matchLabels": {"app": "x"}}, "template": template, **spec})


def _pods(w: World) -> list[JSON]:
    found = [item.object() for item in w.storage.list("/registry/pods/").items]
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def _live(w: World) -> list[JSON]:
    return [pod for pod in _pods(w) if not is_terminal(pod) and not is_deleting(pod)]


def _names(w: World) -> list[str]:
    return [str(pod["metadata"]["name"]) for pod in _live(w)]


def _finish(w: World, exit_code: int, *, count: int = 1) -> None:
    for pod in _live(w)[:count]:
        w.provider.finish(f"fake-{pod['metadata']['uid']}", exit_code)
    w.observe_all()


def _status(w: World, resource: str, name: str) -> JSON:
    found = w.get(resource, name)
    assert found is not None
    status: JSON = found["status"]
    return status


def _conditions(w: World) -> list[tuple[str, str]]:
    conditions = _status(w, "jobs", "j").get("conditions") or []
    return [(each["type"], each["reason"]) for each in conditions if each["status"] == "True"]


def _change(w: World, resource: str, name: str, **spec: Any) -> None:  # Any: fields of a spec
    group = "batch" if resource == "jobs" else "apps"
    registry = w.registries[(group, resource)]
    obj = registry.typed(registry.get("ns", name))
    registry.update("ns", name, {**obj, "spec": {**obj["spec"], **spec}}, WriteOptions())


def test_a_job_runs_its_pods_a_few_at_a_time_and_completes(w: World) -> None:
    _job(w, completions=3, parallelism=2)
    assert len(_live(w)) == 2

    _finish(w, 0)
    assert len(_live(w)) == 2
    _finish(w, 0, count=2)

    status = _status(w, "jobs", "j")
    assert _conditions(w) == [("SuccessCriteriaMet", "CompletionsReached"), ("Complete", "CompletionsReached")]
    assert (status["succeeded"], "active" in status, bool(status["completionTime"])) == (3, False, True)
    assert _live(w) == []


def test_a_failed_pod_is_replaced_after_a_pause(w: World) -> None:
    _job(w)
    _finish(w, 1)
    assert _live(w) == []

    w.pass_time(11)
    w.run_chores()

    assert len(_live(w)) == 1
    assert _status(w, "jobs", "j")["failed"] == 1


def test_a_job_fails_beyond_its_backoff_limit(w: World) -> None:
    _job(w, backoffLimit=0, parallelism=2, completions=2)

    _finish(w, 1)
    w.observe_all()

    assert ("Failed", "BackoffLimitExceeded") in _conditions(w)
    assert _live(w) == []


def test_a_job_ends_at_its_deadline(w: World) -> None:
    _job(w, activeDeadlineSeconds=30)

    w.pass_time(31)
    w.run_chores()
    w.observe_all()

    assert ("Failed", "DeadlineExceeded") in _conditions(w)
    assert _live(w) == []


def test_a_finished_job_goes_after_its_time(w: World) -> None:
    _job(w, ttlSecondsAfterFinished=60)
    _finish(w, 0)
    assert w.get("jobs", "j") is not None

    w.pass_time(61)
    w.run_chores()

    assert w.get("jobs", "j") is None


def test_a_suspended_job_has_no_pods_until_it_is_resumed(w: World) -> None:
    _job(w, suspend=True)
    assert (_live(w), _conditions(w)) == ([], [("Suspended", "JobSuspended")])

    _change(w, "jobs", "j", suspend=False)

    assert len(_live(w)) == 1
    assert _conditions(w) == []


def test_an_indexed_job_runs_each_index_once(w: World) -> None:
    _job(w, completionMode="Indexed", completions=3, parallelism=3)
    indexes = {pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in _live(w)}
    assert indexes == {"0", "1", "2"}

    _finish(w, 0, count=3)

    assert _status(w, "jobs", "j")["completedIndexes"] == "0-2"
    assert ("Complete", "CompletionsReached") in _conditions(w)


def test_a_deleted_pod_of_a_job_is_replaced(w: World) -> None:
    _job(w)
    before = _names(w)

    w.delete("pods", before[0])
    w.observe_all()

    assert len(_live(w)) == 1
    assert _names(w) != before


@pytest.mark.parametrize(("indexes", "text"), [({0, 1, 2, 5}, "0-2,5"), (set(), ""), ({3}, "3"), ({1, 3, 4}, "1,3-4")])
def test_indexes_are_written_as_ranges(indexes: set[int], text: str) -> None:
    assert format_indexes(indexes) == text
    assert parse_indexes(text) == indexes


def test_a_parallel_stateful_set_makes_all_its_pods_at_once(w: World) -> None:
    _set(w, "statefulsets", replicas=3, podManagementPolicy="Parallel", serviceName="svc")

    assert _names(w) == ["s-0", "s-1", "s-2"]
    assert w.pod("s-1")["spec"]["hostname"] == "s-1"
    assert w.pod("s-1")["spec"]["subdomain"] == "svc"
    assert w.pod("s-1")["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"


@pytest.mark.parametrize("service", ["", "svc"])
def test_pods_of_a_stateful_set_have_its_names_and_not_those_of_the_template(w: World, service: str) -> None:
    named = {**CONTAINERS, "hostname": "Not_A_Label", "subdomain": "Not_A_Label"}

    _set(w, "statefulsets", serviceName=service, template={"metadata": {"labels": {"app": "x"}}, "spec": named})

    spec = w.pod("s-0")["spec"]
    assert (spec["hostname"], spec.get("subdomain", "")) == ("s-0", service)


def test_scaling_a_stateful_set_ends_the_highest_numbers(w: World) -> None:
    _set(w, "statefulsets", replicas=4, podManagementPolicy="Parallel")

    _change(w, "statefulsets", "s", replicas=2)
    w.observe_all()

    assert _names(w) == ["s-0", "s-1"]
    assert _status(w, "statefulsets", "s")["replicas"] == 2


def test_a_pod_of_a_stateful_set_comes_back_under_its_name(w: World) -> None:
    _set(w, "statefulsets", replicas=2, podManagementPolicy="Parallel")
    uid = w.pod("s-1")["metadata"]["uid"]

    w.provider.finish(w.handle("s-1"), 1)
    w.observe_all()
    w.observe_all()

    assert _names(w) == ["s-0", "s-1"]
    assert w.pod("s-1")["metadata"]["uid"] != uid


def test_an_ordered_stateful_set_waits_for_each_pod(w: World) -> None:
    w.provider.hold_pending = True
    _set(w, "statefulsets", replicas=2)
    assert _names(w) == ["s-0"]

    w.provider.begin(w.handle("s-0"))
    w.observe_all()

    assert _names(w) == ["s-0", "s-1"]


def test_a_replica_set_ends_the_cheapest_pods_first(w: World) -> None:
    _set(w, "replicasets", replicas=3)
    dear = _names(w)[1]
    registry = w.registries[("", "pods")]
    for name in _names(w):
        pod = registry.typed(registry.get("ns", name))
        cost = "10" if name == dear else "-5"
        pod["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
        registry.update("ns", name, pod, WriteOptions())

    _change(w, "replicasets", "s", replicas=1)
    w.observe_all()

    assert _names(w) == [dear]


def test_a_deployment_replaces_its_pods_when_its_template_changes(w: World) -> None:
    _set(w, "deployments", replicas=2)
    before = _names(w)
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "image:2"}]}}
    assert _status(w, "deployments", "s")["availableReplicas"] == 2

    _change(w, "deployments", "s", template=template)
    w.observe_all()
    w.observe_all()

    assert len(_names(w)) == 2
    assert not set(before) & set(_names(w))
    assert {pod["spec"]["containers"][0]["image"] for pod in _live(w)} == {"image:2"}
    assert _status(w, "deployments", "s")["updatedReplicas"] == 2


def test_a_deployment_and_its_replica_sets_count_revisions_also_when_it_is_rolled_back(w: World) -> None:
    labels = {"metadata": {"labels": {"app": "x"}}}

    def template(image: str) -> JSON:
        return {**labels, "spec": {"containers": [{"name": "c", "image": image}]}}

    def revisions() -> list[str]:
        sets = [item.object() for item in w.storage.list("/registry/replicasets/").items]
        found = {
            each["spec"]["template"]["spec"]["containers"][0]["image"]: annotations_of(each)[REVISION] for each in sets
        }
        return [annotations_of(w.get("deployments", "s") or {})[REVISION], *(found[image] for image in sorted(found))]

    _set(w, "deployments", replicas=1)
    assert revisions() == ["1", "1"]

    _change(w, "deployments", "s", template=template("image:2"))
    assert revisions() == ["2", "1", "2"]

    _change(w, "deployments", "s", template=template("image:1"))
    assert revisions() == ["3", "3", "2"]


def test_a_deleted_set_takes_its_pods_along(w: World) -> None:
    _set(w, "statefulsets", replicas=2, podManagementPolicy="Parallel")

    w.delete("statefulsets", "s")
    w.observe_all()

    assert _pods(w) == []


def test_many_pods_do_not_exhaust_the_stack(w: World) -> None:
    _set(w, "statefulsets", replicas=150, podManagementPolicy="Parallel")

    assert len(_live(w)) == 150
