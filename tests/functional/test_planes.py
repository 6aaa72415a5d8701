"""Which control plane our commands find as servers start, end and are killed, and what they say where there is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psutil
import pytest

from sparkanywhere import Client
from sparkanywhere.client.access import NothingHere, find_target
from sparkanywhere.client.kube_client import KubeClient, NoAccess
from sparkanywhere.client.server_records import living_servers
from tests.functional.local_server import PROJECT, LocalServer, chalice_local
from tests.waiting import until

# A program that runs a pod of its argument's name on a control plane of its own, and waits.
OWN_PLANE = """
import os, sys, time
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.own_plane import own_plane
with own_plane(os.environ, provider="process") as target:
    container = {"name": "main", "image": "any", "command": ["sleep", sys.argv[1]]}
    metadata = {"name": "p", "labels": {"spark-role": "driver", "spark-app-selector": "s"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    KubeClient(target.access).create("/api/v1/namespaces/default/pods", pod)
    time.sleep(600)
"""
LOOKING = """
import os, time
from sparkanywhere.local.local_server import looking_server
with looking_server(os.environ):
    print("looking", flush=True)
    time.sleep(600)
"""
COMMAND = (sys.executable, "-m", "sparkanywhere")
NOTHING = "No server runs on this laptop: `sparkanywhere serve` starts one.\n"
HERE = "Sparkanywhere on this laptop\n"
SECONDS = 60.0
FOREIGN = """
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]
contexts: [{name: prod, context: {cluster: c}}]
current-context: prod
"""


def served(home: Path, *options: str) -> AbstractContextManager[LocalServer]:
    """Return a server that runs no pods, as `make serve` starts it."""
    verb = ("serve", "--provider", "none", "--port", "0")
    return chalice_local(home, *options, command=COMMAND, verb=verb)


def ran(home: Path, *words: str, **environ: str) -> tuple[int, str, str]:
    """Run a command as a user whose kubeconfig has another cluster's current context; return code, stdout, stderr."""
    (home / ".kube").mkdir(exist_ok=True)
    (home / ".kube" / "config").write_text(FOREIGN)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SPARKANYWHERE_", "XDG_", "KUBE"))
    }
    env = {**kept, "HOME": str(home), "XDG_STATE_HOME": str(home), "PYTHONPATH": str(PROJECT), **environ}
    done = subprocess.run([*COMMAND, *words], env=env, capture_output=True, text=True, check=False, timeout=SECONDS)
    return done.returncode, done.stdout, done.stderr


def kubectl(home: Path) -> str:
    """Return what kubectl finds by the state folder's own kubeconfig."""
    file = home / "sparkanywhere" / "default" / "kubeconfig"
    line = ["kubectl", "--kubeconfig", str(file), "get", "namespaces", "default", "-o", "name"]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=SECONDS).stdout.strip()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_server_that_has_ended_is_as_if_it_had_never_been(tmp_path: Path, end: signal.Signals) -> None:
    before = ran(tmp_path, "ps", "--output", "json")
    with served(tmp_path) as server:
        server.wait_until_ready()
        assert ran(tmp_path, "ps", "--output", "json") == (0, "[]\n", HERE)
        server.end(end)

        assert ran(tmp_path, "ps", "--output", "json") == before == (0, "[]\n", NOTHING)
    assert ran(tmp_path, "logs", "x") == (1, "", f"Error: {NOTHING}")
    assert "control plane: none runs on this laptop" in ran(tmp_path, "doctor")[1]
    assert list(tmp_path.glob("sparkanywhere/*/servers/*")) == []


@pytest.mark.kubectl
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_of_two_servers_on_one_state_the_living_one_is_found(tmp_path: Path, end: signal.Signals) -> None:
    with served(tmp_path) as first:
        first.wait_until_ready()
        with served(tmp_path) as second:
            second.wait_until_ready()
            assert server_of(tmp_path) == first.url  # which does the background work
            second.end(end)
        assert server_of(tmp_path) == first.url
        assert kubectl(tmp_path) == "namespace/default"

        with served(tmp_path) as third:
            third.wait_until_ready()
            first.end(end)
            assert server_of(tmp_path) == third.url
            until(lambda: kubectl(tmp_path) == "namespace/default", "the kubeconfig to lead to the one that is left")


def server_of(home: Path) -> str:
    """Return the server that `contexts` says is the default."""
    rows = json.loads(ran(home, "contexts", "-o", "json")[1])
    return str(next(row["server"] for row in rows if row["default"]))


def test_a_name_is_where_commands_work_until_it_is_taken_back(tmp_path: Path) -> None:
    with served(tmp_path, "--instance", "team") as server:
        server.wait_until_ready()
        assert ran(tmp_path, "use", "prod") == (0, "", "Sparkanywhere on prod (http://127.0.0.1:9)\n")
        code, out, err = ran(tmp_path, "ps")
        assert (code, out) == (1, "")
        assert err.startswith("Sparkanywhere on prod (http://127.0.0.1:9)\nError: http://127.0.0.1:9 did not answer:")

        team = "Sparkanywhere on this laptop, instance team\n"
        assert ran(tmp_path, "ps", "--on", "laptop", "--output", "json") == (0, "[]\n", team)
        assert ran(tmp_path, "ps", "--output", "json", SPARKANYWHERE_CONTEXT="laptop/team") == (0, "[]\n", team)

        assert ran(tmp_path, "use", "--clear") == (0, "", HERE)
        assert ran(tmp_path, "ps", "--output", "json") == (0, "[]\n", team)


def test_contexts_tells_every_name_its_origin_and_the_default(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.wait_until_ready()
        code, out, err = ran(tmp_path, "contexts")

    assert code == 0
    assert out.splitlines() == [
        f"* laptop  {server.url}  (server of yours, process {server.process.pid}, provider none)",
        f"  prod  http://127.0.0.1:9  ({tmp_path}/.kube/config)",
    ]
    assert err.startswith("* is the default: neither --on nor SPARKANYWHERE_CONTEXT nor")
    assert (
        "* is the default: SPARKANYWHERE_CONTEXT names it."
        in ran(tmp_path, "contexts", SPARKANYWHERE_CONTEXT="prod")[2]
    )


def test_a_program_may_have_a_control_plane_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKANYWHERE_STATE", str(tmp_path))
    monkeypatch.setenv("SPARKANYWHERE_CONTEXT", "elsewhere")  # nothing that is the default counts
    with Client.local(provider="none") as client:
        name = next(tmp_path.iterdir()).name
        assert client.where == "on this laptop"
        assert client.applications() == Client(context="laptop").applications() == []  # others may look
        with pytest.raises(NothingHere):
            find_target(os.environ, context="laptop", lasting=True)  # but not send it jobs
        assert Client(context=f"laptop/{name}").namespace == "default"

    assert not (tmp_path / name).exists()
    with pytest.raises(NoAccess, match="No context 'elsewhere' \\(set by SPARKANYWHERE_CONTEXT\\)"):
        Client()


def test_a_killed_command_takes_its_server_and_pods_along_and_leaves_records(tmp_path: Path) -> None:
    seconds = f"600.{os.getpid()}"  # by which its pod's process is known
    line = [sys.executable, "-c", OWN_PLANE, seconds]
    state = tmp_path / "sparkanywhere"
    environ = {**os.environ, "SPARKANYWHERE_STATE": str(state), "PYTHONPATH": str(PROJECT)}

    def sleepers() -> list[int]:
        return [each.pid for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", seconds]]

    with subprocess.Popen(line, env=environ) as program:
        until(lambda: len(sleepers()) == 1, "the pod to run")
        assert len(living_servers(state)) == 1

        program.kill()

    until(lambda: [each.name for each in state.iterdir()] == ["default"], "the server to clear itself away")
    assert sleepers() == []
    (known,) = json.loads(ran(tmp_path, "ps", "-o", "json")[1])
    assert (known["driver"], known["state"]) == ("p", "Killed")

    with subprocess.Popen([sys.executable, "-c", LOOKING], env=environ, stdout=subprocess.PIPE) as program:
        assert program.stdout
        assert program.stdout.readline() == b"looking\n"
        try:
            with served(tmp_path) as server:
                server.wait_until_ready()  # somebody who looks keeps nobody from serving
                assert kubectl(tmp_path) == "namespace/default"
        finally:
            program.kill()

    until(lambda: not living_servers(state), "the server of the second command to end")
    assert json.loads(ran(tmp_path, "ps", "-o", "json")[1]) == [known]


def test_a_job_that_a_killed_server_has_left_can_be_looked_at_and_ended_by_down(tmp_path: Path) -> None:
    state = tmp_path / "sparkanywhere"
    verb = ("serve", "--provider", "process", "--port", "0")
    with chalice_local(tmp_path, command=COMMAND, verb=verb) as server:
        server.wait_until_ready()
        client = KubeClient(find_target({"SPARKANYWHERE_STATE": str(state)}).access)
        command = ["sh", "-c", "echo said; exec sleep 600"]
        metadata = {"name": "left", "labels": {"spark-role": "driver", "spark-app-selector": "s"}}
        spec = {"containers": [{"name": "main", "image": "any", "command": command}]}
        client.create("/api/v1/namespaces/default/pods", {"metadata": metadata, "spec": spec})
        path = "/api/v1/namespaces/default/pods/left"
        until(lambda: client.text(f"{path}/log") == "said\n", "the pod to run", seconds=SECONDS)
        until(lambda: client.get(path)["status"]["phase"] == "Running", "it to be seen", seconds=SECONDS)
        server.end(signal.SIGKILL)

    here = "Sparkanywhere on this laptop, where no server runs: as last known\n"
    code, out, err = ran(tmp_path, "ps", "-o", "json")
    assert (code, [each["state"] for each in json.loads(out)], err) == (0, ["Running"], here)
    assert ran(tmp_path, "logs", "left") == (0, "said\n", here)
    advice = "start one by `sparkanywhere serve`, or end all that runs by `sparkanywhere down`.\n"
    nobody = f"{here}Error: No server runs on this laptop, so nobody can"
    assert ran(tmp_path, "kill", "left") == (1, "", f"{nobody} end left: {advice}")
    assert ran(tmp_path, "wait", "left") == (1, "", f"{nobody} tell when left ends: {advice}")

    assert ran(tmp_path, "down")[0] == 0

    (known,) = json.loads(ran(tmp_path, "ps", "-o", "json")[1])
    assert (known["state"], known["cause"]) == ("Killed", "it was ended by `sparkanywhere down`")
    assert known["ended"] is not None
    assert ran(tmp_path, "logs", "left") == (0, "said\n", here)
    code, out, _ = ran(tmp_path, "kill", "left")
    assert (code, out.partition(";")[0]) == (0, "left had ended: Killed")
    assert "Pods that this command starts need one that stays." in ran(tmp_path, "history")[2]


def test_jobs_of_several_commands_are_listed_and_found_by_name(tmp_path: Path) -> None:
    state = tmp_path / "sparkanywhere"
    environ = {**os.environ, "SPARKANYWHERE_STATE": str(state), "PYTHONPATH": str(PROJECT)}
    environ.pop("SPARKANYWHERE_INSTANCE", None)
    with ExitStack() as stack:
        programs = []
        for pod in ("one", "two", "three"):
            source = OWN_PLANE.replace('"name": "p"', f'"name": "{pod}"')
            source = source.replace('"spark-app-selector": "s"', f'"spark-app-selector": "{pod}"')
            line = [sys.executable, "-c", source, "600"]
            programs.append(stack.enter_context(subprocess.Popen(line, env=environ)))
            stack.callback(programs[-1].kill)

        def listed() -> dict[str, str]:
            return {each["driver"]: each["state"] for each in json.loads(ran(tmp_path, "ps", "-o", "json")[1])}

        running = dict.fromkeys(("one", "two", "three"), "Running")
        until(lambda: listed() == running, "the jobs to run", seconds=SECONDS)
        programs[0].kill()
        until(
            lambda: listed() == {**running, "one": "Killed"}, "what is kept to be listed beside them", seconds=SECONDS
        )

        for pod in running:
            assert json.loads(ran(tmp_path, "describe", pod, "-o", "json")[1])["driver"] == pod
        assert ran(tmp_path, "kill", "two")[0] == 0
        until(lambda: listed()["two"] != "Running", "it to end", seconds=SECONDS)


def test_down_clears_what_a_killed_server_has_left_for_its_clients(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.wait_until_ready()
        server.end(signal.SIGKILL)
    state = tmp_path / "sparkanywhere" / "default"
    assert len(list(state.glob("servers/*"))) == 1

    assert ran(tmp_path, "down")[0] == 0

    assert [*state.glob("servers/*"), *state.glob("kubeconfig*")] == []
