"""One module says what the system has, and no other asks the system itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import system
from chalicelib.config import Settings, SettingsError
from chalicelib.system import Feature

ROOT = Path(__file__).resolve().parents[2]
SUPERVISOR = "chalicelib/providers/supervised/supervisor"
# What is not everywhere -> the modules that may use it, each of which asks the switch, or is used by those that do.
USERS = {
    "sys.platform": {"chalicelib/system.py"},
    "platform.system": set(),
    "os.uname": set(),
    "ctypes.": {f"{SUPERVISOR}/namespaces.py", f"{SUPERVISOR}/processes.py"},
    "/proc": {f"{SUPERVISOR}/{name}.py" for name in ("namespaces", "processes", "root", "spawning")}
    | {
        "chalicelib/controllers/cluster/shared_folders.py",  # does without where there is none
        "chalicelib/providers/docker/sessions.py",
        "chalicelib/providers/fargate/payload.py",  # runs in containers
        "sparkanywhere/aws/smoke/pods.py",  # a container's command
        "sparkanywhere/client/tunnel.py",  # trusts its port where there is none
        "sparkanywhere/jobs/programs/sail_program.py",  # takes a server for used where there is none
    },
    "os.O_PATH": {f"{SUPERVISOR}/root.py", f"{SUPERVISOR}/spawning.py"},
    "os.O_TMPFILE": set(),
    "os.pidfd_open": set(),
    "os.pipe2": set(),
    "os.sched_": set(),
    "os.memfd_create": set(),
    "os.posix_fallocate": set(),
    "os.setns": set(),
    "os.unshare": set(),
    "select.epoll": set(),
    "signal.SIGPWR": set(),
    "AF_NETLINK": {
        "sparkanywhere/webserver/peers.py",
        "chalicelib/providers/docker/services/program.py",  # runs in a container
    },
    "socket.SOCK_CLOEXEC": set(),
    "socket.SO_PEERCRED": set(),
    "socket.TCP_KEEPIDLE": set(),
    "Library/Java": {"sparkanywhere/spark/java_home.py"},
    "/dev/shm": {"sparkanywhere/spark/base_image.py"},  # where it is there, see _has_room()
}


def sources() -> Iterator[tuple[str, str]]:
    """Yield every module of ours, without its words: comments and docstrings may name anything."""
    for folder in ("chalicelib", "sparkanywhere"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                body = getattr(node, "body", None)
                if isinstance(body, list) and body and ast.unparse(body[0]).startswith(("'", '"')):
                    body[0] = ast.Pass()
            yield str(path.relative_to(ROOT)), ast.unparse(tree)


@pytest.fixture(scope="module")
def code() -> dict[str, str]:
    return dict(sources())


@pytest.mark.parametrize("thing", USERS)
def test_what_is_not_on_every_system_is_used_by_these_modules_alone(thing: str, code: dict[str, str]) -> None:
    assert {name for name, text in code.items() if thing in text} - USERS[thing] == set()


@pytest.mark.parametrize("feature", Feature)
def test_somebody_asks_for_each_feature(feature: Feature, code: dict[str, str]) -> None:
    assert any(f"system.has(Feature.{feature.name})" in text for text in code.values())


@pytest.mark.parametrize("feature", Feature)
def test_a_feature_can_be_taken_away_alone_or_with_all(feature: Feature, monkeypatch: pytest.MonkeyPatch) -> None:
    others = set(Feature) - {feature}
    here = {each for each in Feature if system.has(each)}

    monkeypatch.setenv(system.VARIABLE, feature.value)
    assert {each for each in Feature if system.has(each)} == here & others

    monkeypatch.setenv(system.VARIABLE, ",".join(each.value for each in others))
    assert {each for each in Feature if system.has(each)} == here - others

    monkeypatch.setenv(system.VARIABLE, system.EVERYTHING)
    assert not system.has(feature)


def test_a_program_of_ours_is_told_what_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(system.VARIABLE, raising=False)
    assert system.passed_on() == {}

    monkeypatch.setenv(system.VARIABLE, "proc")
    assert system.passed_on() == {system.VARIABLE: "proc"}


def test_a_feature_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="SPARKANYWHERE_SYSTEM_LACKS is 'nothing', but "):
        Settings.from_env({system.VARIABLE: "proc,nothing"})
