"""The Python `kubernetes` client against a real `chalice local`: typed, dynamic, watching."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import kubernetes
import kubernetes.dynamic
import pytest

from tests.functional.local_server import chalice_local

Api = Any  # the client has no types
client: Any = kubernetes.client
config: Any = kubernetes.config
dynamic: Any = kubernetes.dynamic
watch: Any = kubernetes.watch


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Return a client of a server that runs no pods."""
    with chalice_local(tmp_path_factory.mktemp("state"), "--provider", "none", "--port", "0") as server:
        server.wait_until_ready()
        made = config.new_client_from_config(str(server.kubeconfig))
        yield made
        made.close()
        server.end()


def _pod(name: str) -> Api:
    container = client.V1Container(name="c", image="i")
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name, labels={"app": name}), spec=client.V1PodSpec(containers=[container])
    )


def test_typed_objects_come_back_as_they_went(api: Api) -> None:
    core = client.CoreV1Api(api)

    core.create_namespaced_pod("default", _pod("typed"))
    core.patch_namespaced_pod("typed", "default", {"metadata": {"labels": {"more": "x"}}})
    found = core.read_namespaced_pod("typed", "default")
    listed = core.list_namespaced_pod("default", label_selector="more=x", limit=1)

    assert found.metadata.labels == {"app": "typed", "more": "x"}
    assert found.status.phase == "Pending"
    assert [each.metadata.name for each in listed.items] == ["typed"]
    core.delete_namespaced_pod("typed", "default")
    with pytest.raises(client.ApiException) as caught:
        core.read_namespaced_pod("typed", "default")
    assert caught.value.status == 404


def test_the_dynamic_client_finds_kinds_and_applies(api: Api) -> None:
    found = dynamic.DynamicClient(api)
    jobs = found.resources.get(api_version="batch/v1", kind="Job")
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}}

    made = jobs.create(body=body, namespace="default")
    configmaps = found.resources.get(api_version="v1", kind="ConfigMap")
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    applied = configmaps.server_side_apply(body=config_map, name="a", namespace="default", field_manager="tests")

    assert made.spec.backoffLimit == 6
    assert applied.metadata.managedFields[0].manager == "tests"


def test_a_watch_sees_what_happens_and_in_which_order(api: Api) -> None:
    core = client.CoreV1Api(api)
    start = core.list_namespaced_config_map("default").metadata.resource_version
    seen: list[tuple[str, str]] = []

    def follow() -> None:
        stream = watch.Watch()
        for event in stream.stream(
            core.list_namespaced_config_map, "default", resource_version=start, timeout_seconds=20
        ):
            if event["object"].metadata.name == "watched":
                seen.append((event["type"], (event["object"].data or {}).get("k", "")))
            if event["type"] == "DELETED":
                stream.stop()

    follower = threading.Thread(target=follow)
    follower.start()
    core.create_namespaced_config_map(
        "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="watched"), data={"k": "1"})
    )
    core.patch_namespaced_config_map("watched", "default", {"data": {"k": "2"}})
    core.delete_namespaced_config_map("watched", "default")
    follower.join(timeout=30)

    assert not follower.is_alive()
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]
