"""The README says what there is: every make verb, setting, route and command, and no others."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from chalicelib.config import PREFIX, Settings
from chalicelib.controllers.podmodel.placement import CAPACITY_TYPE, SPOT_DRIVER
from chalicelib.controllers.pods.expiry import TTL_ANNOTATION
from chalicelib.controllers.translation.spark_admission import INJECT, INJECTED
from chalicelib.endpoints.http.routes import ROUTES
from chalicelib.resources.pods.marks import MAX_USD, WRITTEN_BY_US
from sparkanywhere.jobs.job_files import STAGED_ANNOTATION
from sparkanywhere.jobs.spark_properties import APPLICATION_LABEL
from tests.e2e.scenarios import table

PROJECT = Path(__file__).resolve().parents[2]
# Set for the tests alone, or told under another heading than the settings.
NOT_SETTINGS = {"SPARKANYWHERE_REQUIRE_TOOLS", "SPARKANYWHERE_CONFORMANCE", "SPARKANYWHERE_TEST_SEED"}


@pytest.fixture(scope="module")
def readme() -> str:
    """Return the README's text."""
    return (PROJECT / "README.md").read_text()


def test_every_make_verb_is_told_and_no_other(readme: str) -> None:
    verbs = set(re.findall(r"^([a-z0-9-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"^\| `make ([a-z0-9-]+)` \|", readme, re.MULTILINE)) == verbs
    planned = readme.partition("## What is planned")[2].partition("\n## ")[0]
    shown = set(re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]+)", readme.replace(planned, ""), re.MULTILINE))
    assert shown <= verbs


def test_every_setting_is_told_with_its_default_and_no_other(readme: str) -> None:
    settings = {f"{PREFIX}{each.name.upper()}": str(each.default) or "(empty)" for each in fields(Settings)}

    told = dict(re.findall(rf"^\| `({PREFIX}\w+)` \| (.*?) \|", readme, re.MULTILINE))

    assert told == settings
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", readme)) <= {*settings, *NOT_SETTINGS}


def test_every_route_is_told(readme: str) -> None:
    generic = re.compile(r"/(?:namespaces/\{namespace\}/)?\{resource\}.*")
    paths = {generic.sub("/...", route.path) for route in ROUTES}

    told = set(re.findall(r"`(/[^`]*)`", readme.partition("## Routes")[2].partition("\n## ")[0]))

    assert told == paths


def test_every_annotation_is_told_and_no_other(readme: str) -> None:
    ours = {INJECT, INJECTED, TTL_ANNOTATION, MAX_USD, CAPACITY_TYPE, SPOT_DRIVER, *WRITTEN_BY_US}
    ours |= {STAGED_ANNOTATION, APPLICATION_LABEL}

    assert set(re.findall(r"`(sparkanywhere\.io/[a-z-]+)`", readme)) == ours


def test_the_scenarios_are_those_of_the_tests(readme: str) -> None:
    shown = readme.partition("## Scenarios")[2].partition("\n## ")[0]

    assert [line for line in shown.splitlines() if line.startswith("|")] == table()
