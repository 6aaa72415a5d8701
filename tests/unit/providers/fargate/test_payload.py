"""The payload brings a container what RunTask does not: run here by the very scripts that run on Fargate."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest

from chalicelib.endpoints.auth.aws_tokens import TokenRefused, ask_sts, checked_url, signer_of
from chalicelib.providers.base import ADDRESS, Container, File, Mount, Task, Volume
from chalicelib.providers.fargate import identity, payload
from chalicelib.providers.fargate.identity import START_FAILED
from chalicelib.providers.fargate.shape import with_fixed_paths
from tests.aws_box.fake_sts import FakeSts
from tests.aws_box.wire import Answer, HttpServer, Request
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


@dataclass
class Endpoints:
    """What a task finds around it: metadata, its role's credentials, and the control plane, which fails at first."""

    credentials: bytes
    fails: int = 0
    told: list[str] = field(default_factory=list)  # what a task that waits is told, in turn; the last from then on
    waits: int = 0  # how often it has asked
    proofs: list[str] = field(default_factory=list)

    def serve(self, request: Request) -> Answer:
        """Answer one request."""
        if request.target == "/credentials":
            return Answer(200, self.credentials)
        if request.target == "/wait":
            self.waits += 1
            words = self.told[min(self.waits, len(self.told)) - 1]
            return Answer(200, words.encode()) if words else Answer(503)
        if request.target != "/payload":
            return Answer(200, METADATA)
        self.proofs.append(request.header("authorization").removeprefix("Bearer "))
        return Answer(503) if len(self.proofs) <= self.fails else Answer(200, payload.render(TASK).encode())


SESSION = "arn:aws:sts::123456789012:assumed-role/task/0123456789abcdef0123456789abcdef"
OWN_AUDIENCE = identity.audience("jobs")
TOOLS = ("sed", "tr", "cut", "cat", "base64", "tar", "gzip", "xargs", "chmod", "mkdir", "hostname")
SIGNERS = ("date", "od", "sha256sum", "sleep")


def fetched(folder: Path, endpoints: Endpoints, program: str, shell: str = "sh") -> subprocess.CompletedProcess[str]:
    """Run the first container's script, with `program` alone to fetch with."""
    tools, start = folder / "bin", folder / "start"
    start.mkdir()
    tools.mkdir()
    for name in (*TOOLS, *SIGNERS, program):
        (tools / name).symlink_to(sys.executable if name == "python3" else shutil.which(name) or name)
    script = payload.FETCH_SCRIPT.replace(payload.START_PATH, str(start))
    server = HttpServer(endpoints.serve)
    environ = {
        "PATH": str(tools),
        payload.URL: f"{server.url}/payload",
        identity.STS_HOST: identity.sts_host("eu-west-1"),
        identity.AUDIENCE: OWN_AUDIENCE,
        "ECS_CONTAINER_METADATA_URI_V4": f"{server.url}/metadata",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/credentials",
        **({payload.WAITS: "1"} if endpoints.told else {}),
    }
    words = [shutil.which(shell) or shell, "-c", script]
    ran = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    server.close()
    return ran


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSts]:
    """Serve an STS that checks signatures, which ask_sts asks."""
    with closing(FakeSts()) as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", fake.url)
        yield fake


def signer(proof: str, audience: str = OWN_AUDIENCE) -> str:
    """Return who has signed a proof, as the control plane finds it out."""
    return signer_of(proof, audience, ask_sts, now=datetime.now(UTC)).arn


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("program", ["curl", "wget", "python3"])
def test_the_first_container_proves_which_task_it_is(tmp_path: Path, sts: FakeSts, program: str, shell: str) -> None:
    endpoints = Endpoints(sts.session(SESSION).as_ecs_gives_them(), fails=int(shell == "dash"))

    ran = fetched(tmp_path, endpoints, program, shell)

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "start" / "ready").exists()
    assert {signer(proof) for proof in endpoints.proofs} == {SESSION}
    assert len(endpoints.proofs) == endpoints.fails + 1


def test_a_proof_is_good_for_this_control_plane_alone_and_for_no_other_use(tmp_path: Path, sts: FakeSts) -> None:
    endpoints = Endpoints(sts.session(SESSION).as_ecs_gives_them())

    fetched(tmp_path, endpoints, "curl")

    for other in (identity.audience("others"), "jobs"):
        with pytest.raises(TokenRefused, match="STS did not confirm it"):
            signer(endpoints.proofs[0], other)


def test_credentials_that_are_not_the_tasks_prove_nothing(tmp_path: Path, sts: FakeSts) -> None:
    forged = replace(sts.session(SESSION), secret="a-guess").as_ecs_gives_them()
    endpoints = Endpoints(forged)

    fetched(tmp_path, endpoints, "curl")

    with pytest.raises(TokenRefused, match="STS did not confirm it"):
        signer(endpoints.proofs[0])


def test_the_secret_key_stays_in_the_task(tmp_path: Path, sts: FakeSts) -> None:
    credentials = sts.session(SESSION)
    endpoints = Endpoints(credentials.as_ecs_gives_them())

    ran = fetched(tmp_path, endpoints, "curl")

    sent = base64.urlsafe_b64decode(endpoints.proofs[0].removeprefix("k8s-aws-v1.") + "==").decode()
    assert credentials.secret not in sent + unquote(sent) + ran.stdout + ran.stderr


def test_a_task_without_a_role_says_so_and_starts_nothing(tmp_path: Path) -> None:
    ran = fetched(tmp_path, Endpoints(b"{}"), "curl")

    assert ran.returncode == START_FAILED
    assert "no credentials of the task's role" in ran.stderr
    assert not (tmp_path / "start" / "ready").exists()


def test_a_session_token_of_two_kilobytes_still_makes_a_proof(tmp_path: Path) -> None:
    with closing(FakeSts()) as sts:
        long = replace(sts.session(SESSION), token="IQoJb3JpZ2luX2VjE+/x" * 100 + "==")
    endpoints = Endpoints(long.as_ecs_gives_them())

    fetched(tmp_path, endpoints, "curl")

    url, _ = checked_url(endpoints.proofs[0], now=datetime.now(UTC))
    assert long.token in unquote(url)


@pytest.mark.parametrize(
    ("role", "known"),
    [
        ("arn:aws:iam::1:role/jobs/tasks/reader", "arn:aws:sts::1:assumed-role/reader/t1"),
        ("arn:aws-cn:iam::1:role/reader", "arn:aws-cn:sts::1:assumed-role/reader/t1"),
    ],
)
def test_a_session_is_the_roles_name_and_the_tasks_id(role: str, known: str) -> None:
    assert identity.session(role, "t1") == known


@pytest.mark.parametrize("program", ["curl", "wget", "python3"])
def test_a_task_that_waits_fetches_nothing_until_it_is_told_to(tmp_path: Path, sts: FakeSts, program: str) -> None:
    endpoints = Endpoints(sts.session(SESSION).as_ecs_gives_them(), told=["wait 60 0.01", "wait 59 1", "go"])

    ran = fetched(tmp_path, endpoints, program)

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "start" / "ready").exists()
    assert (endpoints.waits, len(endpoints.proofs)) == (3, 1)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (["wait 60 1", "end"], payload.NOT_NEEDED),
        (["wait 1 0.5"], payload.NOT_NEEDED),
        (["<html>"], START_FAILED),
        (["wait for me"], START_FAILED),
        (["wait 60"], START_FAILED),
        ([""], START_FAILED),
    ],
    ids=["end", "late", "?", "??", "no pause", "503"],
)
def test_a_task_that_nobody_needs_ends_by_itself_with_nothing_fetched(
    tmp_path: Path, told: list[str], code: int
) -> None:
    endpoints = Endpoints(b"{}", told=told)

    ran = fetched(tmp_path, endpoints, "python3")

    assert ran.returncode == code
    assert endpoints.proofs == []
    assert not (tmp_path / "start" / "ready").exists()


def test_nothing_starts_whose_files_were_not_all_fetched(tmp_path: Path) -> None:
    unpack(tmp_path, whole=False)

    ran = run(tmp_path, "main")

    assert (ran.returncode, ran.stdout) == (START_FAILED, "")
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

    assert [first.returncode, second.returncode, main.returncode] == [3, *[START_FAILED] * 2]
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

    assert (ran.returncode, "name a command" in ran.stderr) == (START_FAILED, True)


def test_a_path_of_one_application_has_a_number_in_its_uuids_place_wherever_it_is_told() -> None:
    paths = [f"/var/data/spark-{digit * 8}-aaaa-4aaa-8aaa-{digit * 12}" for digit in "12"]
    container = Container(
        "main",
        "spark",
        command=("run", f"--tmp={paths[0]}/x"),
        env=(("SPARK_LOCAL_DIRS", ",".join(paths)), ("OTHER", "11111111-aaaa-4aaa-8aaa-111111111111")),
        mounts=tuple(Mount(f"local-{number}", path) for number, path in enumerate(paths)),
        working_dir=paths[1],
    )
    conf = Volume("conf", "files", files=(File("a", f"dirs={paths[1]}".encode()), File("b", b"\xff\xfe")))
    scratch = (Volume("local-0", "scratch"), Volume("local-1", "scratch"))
    task = Task("uid", "ns", "pod", (container,), volumes=(conf, *scratch))

    fixed = with_fixed_paths(task)

    made = fixed.containers[0]
    assert [mount.path for mount in made.mounts] == ["/var/data/spark-1", "/var/data/spark-2"]
    assert dict(made.env)["SPARK_LOCAL_DIRS"] == "/var/data/spark-1,/var/data/spark-2"
    assert dict(made.env)["OTHER"] == dict(container.env)["OTHER"]
    assert (made.command, made.working_dir) == (("run", "--tmp=/var/data/spark-1/x"), "/var/data/spark-2")
    assert [file.content for file in fixed.volumes[0].files] == [b"dirs=/var/data/spark-2", b"\xff\xfe"]
