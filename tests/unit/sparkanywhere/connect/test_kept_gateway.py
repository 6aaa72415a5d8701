"""A gateway that stays: found while it lives, and started again as it was. What stands for it only holds its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sparkanywhere.connect import kept_gateway
from sparkanywhere.connect.kept_gateway import GatewayFailed, GatewayPlan, KeptGateway, certificate_files, roots_file

PLAN = GatewayPlan(
    context="laptop/other",
    namespace="default",
    bind="127.0.0.1",
    host="localhost",
    port=0,
    options={"idle": 30.0, "env": ["PASSWORD=x"]},
    typed=["env"],
)
HOLDS = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from sparkanywhere.connect.kept_gateway import KeptGateway
kept = KeptGateway(Path(sys.argv[1]))
with kept.held():
    plan = kept.read()
    kept.write(replace(plan, port=plan.port or 41234, pid=os.getpid()))
    signal.pause()
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptGateway:
    """The place of a gateway, whose program only holds it."""
    (tmp_path / "holds_a_gateway.py").write_text(HOLDS)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[4]}:{tmp_path}")
    monkeypatch.setattr(kept_gateway, "PROGRAM", "holds_a_gateway")
    return KeptGateway.of({"SPARKANYWHERE_STATE": str(tmp_path)}, PLAN.context, PLAN.namespace)


def test_a_gateway_is_found_while_it_lives_and_keeps_its_port(kept: KeptGateway) -> None:
    assert kept.find() is None

    first = kept.start(PLAN)
    assert (first.port, kept.find()) == (41234, first)
    assert kept.stop()
    assert kept.find() is None
    assert not kept.stop()

    before = kept.read()
    assert before is not None
    second = kept.start(replace(before, port=before.port, pid=0))
    assert second.port == first.port
    assert second.pid != first.pid
    kept.stop()


def test_what_is_kept_is_its_owners_alone(kept: KeptGateway) -> None:
    kept.write(PLAN)

    (plan,) = kept.folder.glob("*.json")
    assert plan.stat().st_mode & 0o777 == 0o600
    assert kept.read() == PLAN
    assert "PASSWORD" not in repr(PLAN)


def test_a_gateway_that_does_not_start_is_told_with_its_last_words(
    kept: KeptGateway, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "holds_a_gateway.py").write_text("raise SystemExit('Error: the port is taken')")

    with pytest.raises(GatewayFailed, match=r"did not start\.\n  Error: the port is taken"):
        kept.start(PLAN)

    assert kept.find() is None
    assert capfd.readouterr().err == ""


def test_control_planes_and_namespaces_have_gateways_of_their_own(tmp_path: Path) -> None:
    environ = {"SPARKANYWHERE_STATE": str(tmp_path)}

    folders = {KeptGateway.of(environ, *where).folder for where in (("a", "b"), ("a", "c"), ("a/b", "b"), ("b", "b"))}

    assert len(folders) == 4
    assert all(each.parent == tmp_path / ".connect" for each in folders)


def test_gateways_share_an_authority_and_their_clients_trust_others_too(tmp_path: Path) -> None:
    environ = {"SPARKANYWHERE_STATE": str(tmp_path)}
    first = certificate_files(environ, frozenset({"spark.example.com"}))
    ca = first.ca.read_bytes()

    second = certificate_files(environ, frozenset())

    assert second.ca.read_bytes() == ca
    roots = roots_file(second).read_bytes()
    assert roots.startswith(ca)
    assert roots.count(b"BEGIN CERTIFICATE") > 50


def test_of_a_gateway_that_has_ended_its_place_alone_is_kept(kept: KeptGateway) -> None:
    kept.start(PLAN)
    kept.stop()

    assert kept.read() == replace(PLAN, port=41234, options={}, typed=[])


def test_a_gateway_forgets_its_options_as_it_ends_and_one_that_was_killed_when_it_is_stopped(kept: KeptGateway) -> None:
    with kept.held():
        kept.write(replace(PLAN, pid=1))
    assert kept.read() == replace(PLAN, options={}, typed=[])

    kept.write(replace(PLAN, pid=1))
    assert not kept.stop()
    assert kept.read() == replace(PLAN, options={}, typed=[])


def test_what_is_about_to_start_keeps_its_options(kept: KeptGateway) -> None:
    kept.write(PLAN)

    assert not kept.stop()
    assert kept.read() == PLAN
