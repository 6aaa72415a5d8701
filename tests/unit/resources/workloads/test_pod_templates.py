"""The kinds that make pods are known from one place: those whose published type holds a template of pods."""

from __future__ import annotations

from chalicelib.apimachinery.schema import Type, find_type
from chalicelib.controllers.workloads.controller import KINDS
from chalicelib.resources.catalogue import ALL, WORKLOADS

ONLY_STORED = {"podtemplates"}  # has a template, of which nobody makes a pod


def _path(type_: Type | None, seen: frozenset[str] = frozenset()) -> tuple[str, ...] | None:
    """Return the fields that lead to a PodTemplateSpec, None where there is none."""
    for name, field in (type_.fields if type_ else {}).items():
        if field.kind != "struct" or field.container or field.ref in seen:
            continue
        below = () if field.ref == "core.v1.PodTemplateSpec" else _path(field.struct, seen | {field.ref})
        if below is not None:
            return (name, *below)
    return None


def test_every_kind_with_a_template_of_pods_says_where_it_is() -> None:
    found = {each.resource: _path(find_type(each.group, each.version, each.kind)) for each in ALL}
    templates = {resource: path for resource, path in found.items() if path and resource not in ONLY_STORED}

    said = {resource: tuple(part for key in path for part in ("spec", key)) for resource, path in WORKLOADS.items()}
    assert said == templates
    assert {resource for resource, path in found.items() if path} - set(templates) == ONLY_STORED


def test_the_kinds_that_are_acted_on_are_those() -> None:
    assert set(KINDS) == set(WORKLOADS)
    assert {each.owns for each in KINDS.values()} <= {"pods", *WORKLOADS}
