"""Everything that is installed is pinned with hashes, for every platform, and the same everywhere."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tools.audit import FOUND, NOT_ASKED, judge

PROJECT = Path(__file__).resolve().parents[2]
LOCKS = ("locks/dev.txt", "locks/run.txt", "locks/vendor.txt", "requirements.txt")
ENTRY = re.compile(r"^([a-z0-9.-]+)==([^ \n]+)[^\n]*((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)*)", re.MULTILINE)


def pins(name: str) -> dict[str, tuple[str, int]]:
    """Return by package, and version where there are two, its version and the number of its hashes."""
    text = (PROJECT / name).read_text(encoding="utf-8")
    found: dict[str, tuple[str, int]] = {}
    for entry in ENTRY.finditer(text):
        package = f"{entry[1]}=={entry[2]}" if entry[1] in found else entry[1]
        found[package] = (entry[2], entry[3].count("--hash="))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_a_version_with_hashes(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    found = pins(name)

    assert len(found) == len(re.findall(r"^[^\s#]", text, re.MULTILINE)) > 0
    assert [package for package, (_, hashes) in found.items() if not hashes] == []


@pytest.mark.parametrize("name", LOCKS[1:])
def test_all_locks_have_the_versions_that_are_tested(name: str) -> None:
    tested = pins("locks/dev.txt")

    assert {package: pin for package, pin in pins(name).items() if tested.get(package) != pin} == {}


def test_every_dependency_that_the_wheel_declares_is_locked() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = declared["optional-dependencies"]

    def missing(wanted: list[str], lock: str) -> list[str]:
        names = [re.split(r"[^A-Za-z0-9.-]", each)[0].lower() for each in wanted]
        return [name for name in names if name not in {*pins(lock), "sparkanywhere"}]

    assert missing([*declared["dependencies"], *extras["aws"], *extras["docker"]], "locks/run.txt") == []
    assert missing([*declared["dependencies"], *extras["dev"]], "locks/dev.txt") == []


@pytest.mark.parametrize("package", ["cryptography", "pyyaml", "psutil", "google-re2"])
def test_compiled_packages_have_the_hashes_of_more_than_one_platform(package: str) -> None:
    assert pins("locks/run.txt")[package][1] >= 8


def test_an_audit_tells_none_known_from_could_not_ask() -> None:
    known = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    clean = {"name": "b", "version": "1", "vulns": []}
    skipped = {"name": "c", "skip_reason": "not there"}

    assert judge(json.dumps({"dependencies": [clean]}), "")[0] == 0
    assert judge(json.dumps({"dependencies": [clean, skipped]}), "") == (
        NOT_ASKED,
        ["Could not ask about 1 of 2: not there"],
    )
    assert judge(json.dumps({"dependencies": [known, skipped]}), "") == (
        FOUND,
        ["a 1: CVE-1, mended in 2", "Could not ask about 1 of 2: not there"],
    )
    assert judge("", "log\nno route to host\n") == (
        NOT_ASKED,
        ["Could not ask for known vulnerabilities: no route to host"],
    )
