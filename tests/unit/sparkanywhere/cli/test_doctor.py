"""`sparkanywhere doctor` on machines that lack something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from sparkanywhere.aws import checkup
from sparkanywhere.aws.clients import Clients
from sparkanywhere.aws.finding import Finding
from sparkanywhere.cli.machine_commands import deployment_findings, findings
from sparkanywhere.client.kube_client import Access


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_cache_that_cannot_be_written_is_a_finding(
    is_folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cache"
    place.mkdir() if is_folder else place.write_text("")
    monkeypatch.setenv("SPARKANYWHERE_CACHE", str(place / "below"))

    found = [each for each in takewhile(lambda each: each.what != "java", findings()) if each.what == "cache"]

    assert [each.is_good for each in found] == ([] if is_folder else [False])


def test_a_deployment_whose_token_is_gone_is_looked_at_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin of the context fails then, which is a finding and not the end."""
    plugin = {"command": "sh", "args": ["-c", "echo it is gone >&2; exit 1"]}
    server = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/api"
    config = {
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}],
        "clusters": [{"name": "prod", "cluster": {"server": server}}],
        "users": [{"name": "prod", "user": {"exec": plugin}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))

    def look(clients: Clients, access: Access, *, why_no_token: str, **_: object) -> Iterator[Finding]:
        yield Finding(clients.region, "failure", f"{access.url} {access.token!r}: {why_no_token}")

    monkeypatch.setattr(checkup, "examine", look)
    [found] = deployment_findings("prod", images=[], function="")

    assert found.what == "us-east-1"
    assert found.text == f"{server} '': The credential plugin 'sh' ended with 1: it is gone"
