"""The kubeconfig that is written at start."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
import yaml

from chalicelib.private_folder import write_private
from sparkanywhere.local.kubeconfig import kubeconfig, write_kubeconfig


def test_without_a_token_the_user_has_no_credentials() -> None:
    config = kubeconfig("http://127.0.0.1:8000")

    assert config["users"] == [{"name": "sparkanywhere", "user": {}}]
    assert config["clusters"] == [{"name": "sparkanywhere", "cluster": {"server": "http://127.0.0.1:8000"}}]
    assert config["current-context"] == "sparkanywhere"


def test_token_and_authority_are_in_it() -> None:
    config = kubeconfig("https://a", token="t", ca_pem=b"pem")

    assert config["users"][0]["user"] == {"token": "t"}
    assert base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]) == b"pem"


def test_it_is_for_its_owner_alone_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "state" / "kubeconfig"
    write_kubeconfig(path, kubeconfig("http://old"))

    write_kubeconfig(path, kubeconfig("http://new"))

    assert yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"] == "http://new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old(tmp_path: Path) -> None:
    target = tmp_path / "token"
    target.mkdir()  # os.replace can't put a file over a folder

    with pytest.raises(OSError, match="directory"):
        write_private(target, b"new")

    assert [path.name for path in tmp_path.iterdir()] == ["token"]
