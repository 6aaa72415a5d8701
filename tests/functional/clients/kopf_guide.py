"""kopf's guide: an operator on a custom kind, with create, field, timer and delete handlers, children and status."""

from __future__ import annotations

import time

import kopf
import kubernetes
from kopf.testing import KopfRunner

GROUP, VERSION, PLURAL = "guide.example.com", "v1", "claims"
DEFINITION = {
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Claim", "plural": PLURAL, "singular": "claim"},
        "versions": [
            {
                "name": VERSION,
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}  # fmt: skip


@kopf.on.create(GROUP, VERSION, PLURAL)
def created(spec, namespace, **_):
    child = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"size": str(spec["size"])}}
    kopf.adopt(child)
    return {"child": kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, child).metadata.name}


@kopf.on.field(GROUP, VERSION, PLURAL, field="spec.size")
def resized(new, status, namespace, **_):
    if "created" in status:
        name = status["created"]["child"]
        kubernetes.client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"data": {"size": str(new)}})


@kopf.timer(GROUP, VERSION, PLURAL, interval=0.5)
def ticking(patch, **_):
    patch.status["ticked"] = True


@kopf.on.delete(GROUP, VERSION, PLURAL)
def removed(**_):
    pass


@kopf.on.startup()
def configured(**_):
    kubernetes.config.load_kube_config()


def soon(what, find):
    for _ in range(300):
        found = find()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} never came")


def main():
    kubernetes.config.load_kube_config()
    definitions, core = kubernetes.client.ApiextensionsV1Api(), kubernetes.client.CoreV1Api()
    custom = kubernetes.client.CustomObjectsApi()
    where = {"group": GROUP, "version": VERSION, "namespace": "default", "plural": PLURAL}
    definitions.create_custom_resource_definition(DEFINITION)
    with KopfRunner(["run", "--namespace=default", "--standalone", __file__], timeout=60) as runner:
        time.sleep(2)
        claim = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Claim", "metadata": {"name": "mine"}, "spec": {"size": 1}}
        custom.create_namespaced_custom_object(body=claim, **where)

        def status():
            return custom.get_namespaced_custom_object(name="mine", **where).get("status") or {}

        child = soon("the child", lambda: (status().get("created") or {}).get("child"))
        soon("a tick", lambda: status().get("ticked"))
        assert core.read_namespaced_config_map(child, "default").data == {"size": "1"}
        custom.patch_namespaced_custom_object(body={"spec": {"size": 2}}, name="mine", **where)
        soon("the new size", lambda: core.read_namespaced_config_map(child, "default").data == {"size": "2"})
        custom.delete_namespaced_custom_object(name="mine", **where)
        soon("the end", lambda: not custom.list_namespaced_custom_object(**where)["items"])
        names = lambda: [each.metadata.name for each in core.list_namespaced_config_map("default").items]  # noqa: E731
        soon("the child's end", lambda: child not in names())
    assert runner.exit_code == 0, runner.output
    assert "Traceback" not in runner.output, runner.output
    definitions.delete_custom_resource_definition(f"{PLURAL}.{GROUP}")


if __name__ == "__main__":
    main()
