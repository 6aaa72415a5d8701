"""The published schema: kinds, fields, and how lists merge."""

from __future__ import annotations

from chalicelib.apimachinery import schema


def test_kinds_are_found_by_group_version_and_kind() -> None:
    pod = schema.find_type("", "v1", "Pod")
    job = schema.find_type("batch", "v1", "Job")

    assert pod is not None
    assert pod.name == "core.v1.Pod"
    assert job is not None
    assert job.fields["spec"].struct.go_type == "v1.JobSpec"


def test_unknown_kinds_are_none() -> None:
    assert schema.find_type("", "v1", "Nope") is None
    assert schema.find_type("nope", "v1", "Pod") is None


def test_lists_say_how_they_merge() -> None:
    spec = schema.named_type("core.v1.PodSpec")
    volumes, ports = spec.fields["volumes"], schema.named_type("core.v1.Container").fields["ports"]

    assert (volumes.list_type, volumes.list_keys, volumes.merge_key) == ("map", ("name",), "name")
    assert volumes.patch_strategies == {"merge", "retainKeys"}
    assert ports.list_keys == ("containerPort", "protocol")
    assert ports.key_default("protocol") == "TCP"
    assert spec.fields["tolerations"].list_type == "atomic"
    assert schema.named_type("meta.v1.ObjectMeta").fields["finalizers"].list_type == "set"


def test_atomic_structs_and_maps_say_so() -> None:
    assert schema.named_type("core.v1.ObjectReference").is_atomic
    assert schema.named_type("core.v1.PodSpec").fields["nodeSelector"].is_atomic_map


def test_source_is_recorded() -> None:
    assert schema.source()["kubernetes"] == "v1.36.0"
    assert schema.source()["package"].startswith("kubernetes_validate-")


def test_openapi_definitions_refer_only_to_one_another() -> None:
    definitions = schema.openapi_definitions()
    containers = definitions["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]

    assert containers["items"]["$ref"] == "#/definitions/io.k8s.api.core.v1.Container"
    assert containers["items"]["$ref"].removeprefix("#/definitions/") in definitions
    assert definitions["io.k8s.api.core.v1.Pod"]["properties"]["kind"]["type"] == "string"
