"""lightkube's guide: create, get, list, patch, apply, watch, wait, logs, exec, scale, delete."""

from __future__ import annotations

from lightkube import Client
from lightkube.models.core_v1 import Container, PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

client = Client(field_manager="guide")

client.create(ConfigMap(metadata=ObjectMeta(name="lk", labels={"by": "lightkube"}), data={"a": "1"}))
client.patch(ConfigMap, "lk", {"data": {"b": "2"}}, patch_type=PatchType.MERGE)
client.apply(ConfigMap(metadata=ObjectMeta(name="lk", namespace="default"), data={"c": "3"}), force=True)
assert client.get(ConfigMap, "lk").data == {"a": "1", "b": "2", "c": "3"}
assert [each.metadata.name for each in client.list(ConfigMap, labels={"by": "lightkube"})] == ["lk"]

command = ["sh", "-c", "echo hello; sleep 1000"]
spec = PodSpec(containers=[Container(name="c", image="busybox", command=command)], terminationGracePeriodSeconds=1)
client.create(Pod(metadata=ObjectMeta(name="lk"), spec=spec))
client.wait(Pod, "lk", for_conditions=["Ready"])
assert next(iter(client.log("lk", follow=True))) == "hello\n"
said = client.exec("lk", command=["sh", "-c", "cat; echo err >&2; exit 3"], stdin="typed", stdout=True, stderr=True)
assert (said.exit_code, said.stdout, said.stderr) == (3, "typed", "err\n"), said
client.delete(Pod, "lk")
for event, pod in client.watch(Pod, fields={"metadata.name": "lk"}, server_timeout=60):
    if event == "DELETED":
        assert pod.status.phase == "Failed", pod.status.phase
        break
assert not list(client.list(Pod, fields={"metadata.name": "lk"}))
client.delete(ConfigMap, "lk")
