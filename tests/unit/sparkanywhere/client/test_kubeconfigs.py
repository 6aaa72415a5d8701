"""Several kubeconfigs become one as kubectl makes them one: each case is put to a real kubectl too."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.client.kube_client import NoAccess
from sparkanywhere.client.kubeconfigs import Entry, kubeconfig_files, load

FIRST = """
clusters: [{name: c, cluster: {server: 'https://a', certificate-authority: ca.crt}}]
contexts:
- {name: one, context: {cluster: c, user: u}}
- {name: only-first, context: {cluster: c, user: u, namespace: ns}}
users: [{name: u, user: {token: of-first}}]
"""
SECOND = """
clusters:
- {name: c, cluster: {server: 'https://b', insecure-skip-tls-verify: true}}
- {name: d, cluster: {server: 'https://d', certificate-authority: ../ca.crt}}
contexts:
- {name: one, context: {cluster: d, user: v, namespace: other}}
- {name: two, context: {cluster: d, user: v}}
users:
- {name: u, user: {client-certificate: x.crt, client-key: x.key}}
- {name: v, user: {client-certificate: x.crt, client-key: x.key}}
current-context: two
"""
# what KUBECONFIG names, relative to the folder of the case
LISTS = {
    "in order": "one/config:two/config",
    "the other order": "two/config:one/config",
    "a missing file between": "one/config:missing:two/config",
    "an empty file first": "empty:two/config",
    "an empty name, and one twice": ":one/config:two/config:one/config",
    "only missing files": "missing",
    "only an empty name": ":",
    "not set": "",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"one": FIRST, "two": SECOND, ".kube": FIRST.replace("of-first", "of-home")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config").write_text(text)
        for file in ("ca.crt", "x.crt", "x.key"):
            (tmp_path / name / file).write_text(f"{file} of {name}")
    (tmp_path / "ca.crt").write_text("above")
    (tmp_path / "empty").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def flat(entry: Entry) -> dict[str, Any]:
    """Return an entry with the content of the files that it names, as `kubectl config view --flatten` does."""
    body: dict[str, Any] = {}
    for key, value in entry.body.items():
        path = entry.path(key) if key in ("certificate-authority", "client-certificate", "client-key") else None
        body |= {f"{key}-data": path.read_text()} if path else {key: value}
    return body


@pytest.mark.kubectl
@pytest.mark.parametrize("files", LISTS.values(), ids=LISTS)
def test_they_are_merged_as_kubectl_merges_them(folder: Path, files: str) -> None:
    environ = {"HOME": str(folder), "KUBECONFIG": files, "PATH": os.environ["PATH"]}
    line = ["kubectl", "config", "view", "--merge", "--raw", "--flatten", "--output", "json"]

    ours = load(environ)

    told = json.loads(subprocess.run(line, env=environ, check=True, capture_output=True, timeout=60).stdout)
    for key, part, found in (
        ("contexts", "context", ours.contexts),
        ("clusters", "cluster", ours.clusters),
        ("users", "user", ours.users),
    ):
        theirs = {each["name"]: each[part] for each in told[key] or ()}
        for each in theirs.values():
            each |= {key: base64.b64decode(value).decode() for key, value in each.items() if key.endswith("-data")}
        assert {name: flat(entry) for name, entry in found.items()} == theirs


@pytest.mark.kubectl
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("clusters: nope", "clusters is a list"),
        ("users: 7", "users is a list"),
        ("contexts: [{name: 5}]", "contexts is a list"),
        ("clusters: [{name: c}, {name: c}]", "two clusters of the name 'c'"),
        ("[]", "is not a kubeconfig"),
        ("garbage: [", "is not YAML"),
    ],
)
def test_a_broken_one_of_several_is_an_error_as_with_kubectl(folder: Path, text: str, why: str) -> None:
    (folder / "broken").write_text(text)
    environ = {"KUBECONFIG": "one/config:broken", "PATH": os.environ["PATH"]}

    with pytest.raises(NoAccess, match=why):
        load(environ)

    ran = subprocess.run(["kubectl", "config", "view"], env=environ, capture_output=True, check=False, timeout=60)
    assert ran.returncode == 1


def test_a_folder_in_the_place_of_one_is_told_in_one_sentence(folder: Path) -> None:
    with pytest.raises(NoAccess) as refusal:
        load({"KUBECONFIG": str(folder)})

    assert str(refusal.value) == f"{folder} cannot be read: is a directory."


def test_each_entry_knows_its_file(folder: Path) -> None:
    found = load({"KUBECONFIG": f"{folder}/one/config:{folder}/two/config"})

    assert found.contexts["one"].file == folder / "one" / "config"
    assert found.contexts["two"].file == folder / "two" / "config"


def test_without_kubeconfig_the_home_folder_has_one() -> None:
    assert kubeconfig_files({"HOME": "/home/ada"}) == (Path("/home/ada/.kube/config"),)
