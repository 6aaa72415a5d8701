"""A process on Lambda is ready before its first request; what is in the way is that request's to tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings, SettingsError
from chalicelib.plane.control_plane import ControlPlane, _first, control_plane, prepare
from chalicelib.plane.host import LAMBDA
from chalicelib.registry.options import WriteOptions
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

ROLES = ("rbac.authorization.k8s.io", "clusterroles")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    control_plane.cache_clear()
    _first.cache_clear()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SPARKANYWHERE_PROVIDER", "none")
    monkeypatch.setenv("SPARKANYWHERE_STORAGE", "sqlite")
    monkeypatch.setenv("SPARKANYWHERE_STATE", str(tmp_path))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "sparkanywhere-prod")
    return monkeypatch


@pytest.mark.usefixtures("environ")
def test_on_lambda_the_control_plane_is_built() -> None:
    prepare()

    assert _first.cache_info().currsize == 1
    control_plane().close()


def test_elsewhere_nothing_is_built(environ: pytest.MonkeyPatch) -> None:
    environ.delenv("AWS_LAMBDA_FUNCTION_NAME")

    prepare()

    assert _first.cache_info().misses == 0


def test_what_is_in_the_way_is_told_by_the_first_request(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("SPARKANYWHERE_PROVIDER", "nobody")

    prepare()

    with pytest.raises(SettingsError):
        control_plane()


def test_where_processes_come_and_go_the_schedule_alone_completes_roles(tmp_path: Path) -> None:
    def plane() -> ControlPlane:
        settings = Settings(provider="none", storage="sqlite", state=str(tmp_path))
        return ControlPlane(settings, host=replace(LAMBDA, threads=1), storage=SqliteStorage(tmp_path / "db"))

    def rules(of: ControlPlane) -> list[JSON]:
        found: list[JSON] = of.stored.registries[ROLES].get(None, "view").object()["rules"]
        return found

    first = plane()
    before = rules(first)
    role = first.stored.registries[ROLES].get(None, "view").object()
    first.stored.registries[ROLES].update(None, "view", {**role, "rules": before[:1]}, WriteOptions())
    first.close()

    second = plane()

    assert before
    assert rules(second) == before[:1]
    second.run_chores()
    assert rules(second) == before
    second.close()


def test_a_fresh_deployment_tells_what_pods_can_have_before_its_schedule_has_run() -> None:
    w = World(MemoryStorage(), host=replace(LAMBDA, keeps_files=False))

    node = w.get("nodes", "fake", None)

    assert node is not None
    assert node["status"]["allocatable"]["cpu"] == "4"
