"""A context is written into a kubeconfig that has others, replaced, and taken out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sparkanywhere.client.kube_client import NoAccess
from sparkanywhere.client.kubeconfig_file import remove_context, set_context

USER: dict[str, Any] = {"exec": {"command": "sparkanywhere"}}
THEIRS = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "work",
    "clusters": [{"name": "work", "cluster": {"server": "https://work"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def config(environ: dict[str, str]) -> Any:  # Any: YAML
    return yaml.safe_load(Path(environ["HOME"], ".kube", "config").read_text())


def write(environ: dict[str, str], body: Any) -> None:
    Path(environ["HOME"], ".kube").mkdir()
    Path(environ["HOME"], ".kube", "config").write_text(yaml.safe_dump(body))


def test_it_is_written_beside_others_and_they_are_as_before_when_it_is_gone(environ: dict[str, str]) -> None:
    write(environ, THEIRS)

    for server in ("https://old", "https://new"):
        set_context(environ, "prod", server=server, user=USER)
    both = config(environ)
    remove_context(environ, "prod", server="https://old")  # of another server by now: stays
    assert config(environ) == both
    remove_context(environ, "prod", server="https://new")

    assert [each["name"] for each in both["contexts"]] == ["work", "prod"]
    assert both["clusters"][-1] == {"name": "prod", "cluster": {"server": "https://new"}}
    assert both["users"][-1] == {"name": "prod", "user": USER}
    assert both["current-context"] == "work"
    assert config(environ) == THEIRS


def test_a_first_kubeconfig_is_its_owners_alone(environ: dict[str, str]) -> None:
    file = set_context(environ, "prod", server="https://new", user=USER)

    assert file.stat().st_mode & 0o777 == 0o600
    assert config(environ)["contexts"] == [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}]


def test_a_name_that_another_server_has_is_not_taken(environ: dict[str, str]) -> None:
    write(environ, THEIRS)

    with pytest.raises(NoAccess, match="has a context work already, for https://work"):
        set_context(environ, "work", server="https://new", user=USER)
    assert config(environ) == THEIRS
