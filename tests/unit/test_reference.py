"""The reference, the scenarios and the architecture list what the code has: targets, routes, annotations, folders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.controllers.podmodel.placement import CAPACITY_PROVIDER, CAPACITY_TYPE
from chalicelib.controllers.translation.our_marks import OF_NODES, OF_PODS
from chalicelib.endpoints.http.requests import ROUTES
from chalicelib.resources.catalogue import ALL
from chalicelib.resources.cluster.marks import PROVIDER_LABEL
from chalicelib.resources.configuration.secrets import DELETE_AT_END
from sparkanywhere.jobs.applications import APPLICATION_LABEL
from sparkanywhere.jobs.job_files import STAGED_ANNOTATION
from sparkanywhere.jobs.services import SERVICE
from sparkanywhere.local.gateway import HISTORY_PAGE, POD_PAGE
from tests.e2e.scenarios import table

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reference() -> str:
    """Return the text of the reference."""
    return (PROJECT / "docs" / "reference.md").read_text(encoding="utf-8")


def test_every_make_target_is_listed_and_no_other(reference: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"^\| `make ([a-z0-9-]+)` \|", reference, re.MULTILINE)) == targets


def test_every_route_is_listed_and_no_other(reference: str) -> None:
    generic = re.compile(r"/(?:namespaces/\{namespace\}/)?\{resource\}.*")
    paths = {generic.sub("/...", route.path) for route in ROUTES} | {POD_PAGE, HISTORY_PAGE}

    listed = set(re.findall(r"`(/[^`]*)`", reference.partition("## Routes")[2].partition("\n## ")[0]))

    assert listed == paths


def test_every_kind_is_listed_with_its_api_and_no_other(reference: str) -> None:
    rows = re.findall(r"^\| (\w+(?:, \w+)*) \| (`[^|]+) \|", reference.partition("## Kinds")[2], re.MULTILINE)
    listed = {
        (kind, api) for kinds, apis in rows for kind in kinds.split(", ") for api in re.findall("`([^`]+)`", apis)
    }

    assert {kind for kind, _ in listed} == {each.kind for each in ALL}
    assert {each.api_version for each in ALL} == {api for _, api in listed}
    assert {(each.kind, each.api_version) for each in ALL} <= listed


def test_every_annotation_is_listed_and_no_other(reference: str) -> None:
    ours = OF_PODS | OF_NODES | {DELETE_AT_END, CAPACITY_TYPE, CAPACITY_PROVIDER}
    assert {STAGED_ANNOTATION, APPLICATION_LABEL, SERVICE} <= OF_PODS

    assert set(re.findall(r"`(sparkanywhere\.io/[a-z-]+)`", reference)) == ours - {SERVICE, PROVIDER_LABEL}


def test_the_scenarios_listed_are_those_of_the_tests() -> None:
    page = (PROJECT / "docs" / "conformance.md").read_text(encoding="utf-8")

    listed = page.partition("## Scenarios")[2].partition("\n## ")[0]

    assert [line for line in listed.splitlines() if line.startswith("|")] == table()


def test_every_file_and_folder_of_the_architecture_exists() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")

    named = re.findall(r"`((?:[\w.-]+/)+(?:[\w-]+\.py)?)`", page)

    tops = [PROJECT / each for each in ("", "chalicelib", "sparkanywhere", "tests")]
    tops += [PROJECT / "chalicelib" / each for each in ("storage", "providers", "resources", "apimachinery")]
    assert [name for name in named if not any((top / name).exists() for top in tops)] == []


def test_every_folder_of_code_is_in_the_architecture() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    families = [PROJECT / "chalicelib" / name for name in ("controllers", "endpoints")]
    tops = [PROJECT / "chalicelib", PROJECT / "sparkanywhere", *families]
    folders = [file.parent for top in tops for file in top.glob("*/__init__.py")]

    missing = [each.name for each in folders if each not in families and f"{each.name}/`" not in page]

    assert missing == []
