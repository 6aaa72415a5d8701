"""The payload brings a container what RunTask does not: run here by the very scripts that run on Fargate."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chalicelib.controllers.pods.payloads import FETCHER_ID
from chalicelib.providers.base import ADDRESS, Container, File, Task, Volume
from chalicelib.providers.fargate import payload
from tests.waiting import until

TASK = Task(
    uid="u",
    group="jobs",
    name="d",
    containers=(
        Container(
            name="main",
            image="i",
            command=("sh", "-c", 'echo "$QUOTE|$IP|$1"', "x"),
            args=("a b'c",),
            env=(("QUOTE", "it's $HOME"), ("IP", ADDRESS)),
        ),
    ),
    volumes=(Volume("conf", "files", files=(File("dir/spark.properties", b"host=" + ADDRESS.encode(), 0o640),)),),
)


METADATA = b'{"Networks": [{"IPv4Addresses": ["10.1.2.3"]}]}'


def unpack(into: Path, task: Task = TASK, *, whole: bool = True) -> None:
    """Do what the first container does, to its end or not."""
    content = base64.b64decode(payload.render(task))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(into, filter="data")
    (into / "done").mkdir()
    for script in (into / "start").iterdir():
        script.write_text(script.read_text().replace(payload.START_PATH, str(into)))
    if whole:
        (into / "ready").touch()


def run(folder: Path, name: str, script: str = payload.START_SCRIPT) -> subprocess.CompletedProcess[str]:
    """Start a container by its script."""
    words = ["/bin/sh", "-c", script.replace(payload.START_PATH, str(folder)), name]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_files_come_with_their_modes(tmp_path: Path) -> None:
    unpack(tmp_path)

    file = tmp_path / "volumes" / "conf" / "dir" / "spark.properties"
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_start_script_sets_environment_and_arguments_as_they_are(tmp_path: Path) -> None:
    unpack(tmp_path)

    ran = run(tmp_path, "main")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"it's $HOME|{ADDRESS}|a b'c\n"


def test_what_holds_the_address_is_listed_for_it_to_be_put_in(tmp_path: Path) -> None:
    unpack(tmp_path)

    listed = (tmp_path / "addressed").read_bytes().split(b"\0")

    assert listed == [b"start/main.sh", b"volumes/conf/dir/spark.properties"]


def test_the_fetch_script_is_valid_shell() -> None:
    subprocess.run(["/bin/sh", "-n"], input=payload.FETCH_SCRIPT, text=True, check=True)


@pytest.mark.parametrize("program", ["curl", "wget", "python3"])
def test_the_first_container_fetches_with_one_id_however_often_it_tries(tmp_path: Path, program: str) -> None:
    found = shutil.which(program)
    assert found, f"{program} is among the tools of this project's tests"
    asked: list[tuple[str, str]] = []

    class Control(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, fetches = METADATA, self.path == "/payload"
            if fetches:
                asked.append((self.headers["Authorization"], self.headers["X-Sparkanywhere-Fetcher"]))
                body = payload.render(TASK).encode()
            is_first = fetches and len(asked) == 1 and program == "curl"  # which tries again
            self.send_response(503 if is_first else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    tools, start = tmp_path / "bin", tmp_path / "start"
    start.mkdir()
    tools.mkdir()
    for name in ("sed", "tr", "cut", "cat", "base64", "tar", "gzip", "xargs", "chmod", "mkdir", "hostname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / program).symlink_to(sys.executable if program == "python3" else found)
    script = payload.FETCH_SCRIPT.replace(payload.START_PATH, str(start))
    with ThreadingHTTPServer(("127.0.0.1", 0), Control) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        environ = {"PATH": str(tools), payload.URL: f"{url}/payload", payload.TOKEN: "tok"}
        environ["ECS_CONTAINER_METADATA_URI_V4"] = f"{url}/metadata"
        ran = subprocess.run(["/bin/sh", "-c", script], env=environ, capture_output=True, text=True, check=False)
        server.shutdown()

    assert ran.returncode == 0, ran.stderr
    assert (start / "ready").exists()
    assert {bearer for bearer, _ in asked} == {"Bearer tok"}
    (fetcher,) = {by for _, by in asked}
    assert FETCHER_ID.fullmatch(fetcher)


def test_nothing_starts_whose_files_were_not_all_fetched(tmp_path: Path) -> None:
    unpack(tmp_path, whole=False)

    ran = run(tmp_path, "main")

    assert (ran.returncode, ran.stdout) == (payload.START_FAILED, "")
    assert "could not be fetched" in ran.stderr


def steps(*codes: int) -> Task:
    """Return a task of init containers that end by these codes, and a main one."""
    inits = [Container(f"step-{at}", "i", ("sh", "-c", f"exit {code}"), init=True) for at, code in enumerate(codes)]
    return replace(TASK, containers=(*inits, Container("main", "i", ("echo", "runs"))), volumes=())


def test_a_container_starts_behind_init_containers_that_have_ended_well(tmp_path: Path) -> None:
    unpack(tmp_path, steps(0, 0))

    codes = [run(tmp_path, name, payload.INIT_SCRIPT).returncode for name in ("step-0", "step-1")]

    assert codes == [0, 0]
    assert run(tmp_path, "main").stdout == "runs\n"


def test_nothing_starts_behind_an_init_container_that_has_failed(tmp_path: Path) -> None:
    unpack(tmp_path, steps(3, 0))

    first, second = (run(tmp_path, name, payload.INIT_SCRIPT) for name in ("step-0", "step-1"))
    main = run(tmp_path, "main")

    assert [first.returncode, second.returncode, main.returncode] == [3, *[payload.START_FAILED] * 2]
    assert "init container step-0 has failed" in second.stderr
    assert main.stdout == ""


def ending(folder: Path, script: str, *stop: str) -> Task:
    """Return a task whose command says that it is up, and a hook for before its end."""
    command = ("sh", "-c", f"trap 'echo TERM; exit 7' TERM; touch {folder}/up; {script}")
    return replace(TASK, containers=(Container("main", "i", command, stop_command=stop or None),), volumes=())


def signalled(folder: Path) -> tuple[int, str]:
    """Start the container, send SIGTERM once it is up; return its exit code and what it said."""
    words = ["/bin/sh", "-c", payload.START_SCRIPT.replace(payload.START_PATH, str(folder)), "main"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as started:
        until((folder / "up").exists, "the command to be up")
        started.terminate()
        said, _ = started.communicate(timeout=60)
    return started.returncode, said


def test_a_prestop_hook_runs_before_the_command_is_told_to_end(tmp_path: Path) -> None:
    unpack(tmp_path, ending(tmp_path, "while :; do sleep 0.1; done", "echo", "it's the hook"))

    assert signalled(tmp_path) == (7, "it's the hook\nTERM\n")


def test_a_command_that_its_hook_has_ended_keeps_its_exit_code(tmp_path: Path) -> None:
    hook = ("sh", "-c", f"touch {tmp_path}/stop; while [ -e {tmp_path}/stop ]; do sleep 0.1; done")
    wait = f"while [ ! -e {tmp_path}/stop ]; do sleep 0.1; done; trap '' TERM; rm {tmp_path}/stop; exit 3"
    unpack(tmp_path, ending(tmp_path, wait, *hook))

    assert signalled(tmp_path) == (3, "")


def test_without_a_hook_the_command_has_the_signal_at_once(tmp_path: Path) -> None:
    unpack(tmp_path, ending(tmp_path, "while :; do sleep 0.1; done"))

    assert signalled(tmp_path) == (7, "TERM\n")


def test_a_command_with_a_hook_that_ends_by_itself_keeps_its_exit_code(tmp_path: Path) -> None:
    unpack(tmp_path, ending(tmp_path, "exit 143", "echo", "never"))

    ran = run(tmp_path, "main")

    assert (ran.returncode, ran.stdout) == (143, "")


def test_a_container_without_a_command_fails_where_its_image_is_not_sparks(tmp_path: Path) -> None:
    unpack(tmp_path, replace(TASK, containers=(Container("main", "nginx"),), volumes=()))

    ran = run(tmp_path, "main")

    assert (ran.returncode, "name a command" in ran.stderr) == (payload.START_FAILED, True)
