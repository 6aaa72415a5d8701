"""Every command that prints what others have written, over an application that tries to act on the terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sparkanywhere.client.access import find_target
from sparkanywhere.client.kube_client import KubeClient
from tests.contexts import context_of
from tests.functional.local_server import PROJECT, LocalServer, chalice_local
from tests.waiting import until

SECONDS = 60.0
DEFAULT = "/api/v1/namespaces/default"
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b5m\u202e[/red][bold]\r\nError: all is well\x08"
ACTING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]|\r(?!\n)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A control plane with an application that has failed, and says so in its own way wherever it can."""
    with chalice_local(tmp_path_factory.mktemp("state"), "--port", "0", "--provider", "process") as running:
        running.wait_until_ready()
        kube = KubeClient(find_target(context_of(running.kubeconfig)).access)
        labels = {"spark-role": "driver", "spark-app-selector": "spark-1", "spark-app-name": "evil"}
        script = f"import os; os.write(1, {EVIL.encode()!r} + b'\\n'); os.write(1, b'\\xff\\x1b[1m\\n'); os._exit(3)"
        container = {"name": "main", "image": "busybox", "command": [sys.executable, "-c", script]}
        pod = {
            "metadata": {"name": "evil-driver", "labels": labels, "annotations": {"note": EVIL}},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
        kube.create(f"{DEFAULT}/pods", {"apiVersion": "v1", "kind": "Pod", **pod})
        path = f"{DEFAULT}/pods/evil-driver"
        until(lambda: kube.get(path)["status"].get("phase") == "Failed", "the pod to end")
        about = {"kind": "Pod", "namespace": "default", "name": "evil-driver"}
        event = {"metadata": {"name": "evil"}, "involvedObject": about, "reason": EVIL, "message": EVIL}
        kube.create(f"{DEFAULT}/events", {"apiVersion": "v1", "kind": "Event", **event})
        yield running


def environ(server: LocalServer) -> dict[str, str]:
    """Return the environment of a command at this server."""
    return {**os.environ, **context_of(server.kubeconfig), "PYTHONPATH": str(PROJECT)}


def on_a_terminal(server: LocalServer, *arguments: str) -> str:
    """Run a command on a terminal; return all that it has written there."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "sparkanywhere", *arguments]
    with subprocess.Popen(command, env=environ(server), stdout=slave, stderr=slave, stdin=slave) as process:
        os.close(slave)
        found = b""
        try:
            while piece := os.read(master, 65536):
                found += piece
        except OSError:  # by which Linux says that the other end is closed
            pass
        process.wait(SECONDS)
    os.close(master)
    return found.decode()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("ps",), "evil"),
        (("describe", "evil-driver"), "\\x1b[2J"),
        (("logs", "evil-driver"), "\\x1b[2J"),
        (("logs", "--follow", "evil-driver"), "\\x1b[2J"),
        (("wait", "evil-driver"), "Failed"),
        (("cost", "evil-driver"), "vCPU-seconds"),
        (("ui", "evil-driver"), "has no Spark UI"),
        (("kill", EVIL.replace("\x00", "")), "\\x1b[2J"),
        (("doctor",), "control plane"),
    ],
)
def test_nothing_of_it_acts_on_a_terminal(server: LocalServer, arguments: tuple[str, ...], shown: str) -> None:
    seen = on_a_terminal(server, *arguments)

    assert shown in seen
    assert ACTING.findall(seen) == []
    assert not any(line.startswith("Error: all is well") for line in seen.splitlines() if arguments[0] != "logs")


def test_a_pipe_gets_a_log_as_it_is(server: LocalServer) -> None:
    command = [sys.executable, "-m", "sparkanywhere", "logs", "evil-driver"]
    found = subprocess.run(command, env=environ(server), capture_output=True, timeout=SECONDS, check=True).stdout

    assert found == EVIL.encode() + b"\n\xff\x1b[1m\n"


WRITERS = {"terminal.py": 1, "logs_command.py": 2, "program_output.py": 2}


def test_commands_print_by_the_one_way_that_makes_it_harmless() -> None:
    """`logs`, and `run` with its program's output, alone may write what a pipe gets as it is."""
    by_itself = re.compile(r"\bclick\.s?echo\b|(?<!console\.)\bprint\(|sys\.std(out|err)\.(buffer|write)")

    files = (PROJECT / "sparkanywhere" / "cli").glob("*.py")
    found = {path.name: len(by_itself.findall(path.read_text())) for path in files}

    assert {name: count for name, count in found.items() if count} == WRITERS
