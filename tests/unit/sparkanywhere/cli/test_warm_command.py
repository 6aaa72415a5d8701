"""`sparkanywhere warm`: what waits is shown with its price, fits the job that `run` makes, and ends when asked to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile

import click
import pytest
from click.testing import CliRunner

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.parked import with_optional_volumes
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.runtime.objects import StorageLookup
from chalicelib.controllers.translation.task import Node, draft
from chalicelib.providers import registry
from chalicelib.providers.fargate.definitions import shape
from chalicelib.providers.fargate.site import DeploymentConfig
from chalicelib.resources.pods.marks import MOST_PARKED
from sparkanywhere.__main__ import main
from sparkanywhere.cli import dry_run as dry_run_module
from sparkanywhere.cli import warm_command
from sparkanywhere.cli.job_options import spec_from, typed_options
from sparkanywhere.cli.run_command import run_command
from sparkanywhere.cli.target_options import USAGE
from sparkanywhere.cli.warm_command import A_PROGRAM, warm, warm_spec
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import Access, ApiError
from sparkanywhere.jobs.applications import list_applications
from sparkanywhere.jobs.ending import end_application
from sparkanywhere.jobs.job_files import MAX_CARRIED_BYTES, Fetched, sort_files
from sparkanywhere.jobs.objects import build
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.submission import submit
from tests.api_client import ApiClient, control_plane
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.world import World
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient

SITE = DeploymentConfig(
    name="sparkanywhere",
    cluster="jobs",
    region="us-east-1",
    subnets=(("", "subnet-a"),),
    security_group="sg-1",
    assign_public_ip=False,
    execution_role_arn="arn:aws:iam::1:role/execution",
    task_role_arn="arn:aws:iam::1:role/task",
    log_group="/tasks",
)


@pytest.fixture
def w() -> World:
    """Return a World whose tasks wait."""
    clock = Clock()
    return World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock)


@pytest.fixture
def kube(w: World) -> InProcessClient:
    """A client of that World."""
    return InProcessClient(ApiClient(w.plane))


def typed(*words: str) -> JobSpec:
    """Return what is submitted for a command line."""
    with warm.make_context("warm", list(words)) as context:
        options = {**context.params}
        return warm_spec(options, options.pop("span"), "default")


def run_spec(application: str, *options: str) -> JobSpec:
    """Return the job of `run` for a command line."""
    with run_command.make_context("run", [*options, application]) as context:
        return spec_from(context.params, typed_options(context))


def test_what_waits_is_listed_with_its_time_and_price_an_hour(w: World, kube: InProcessClient) -> None:
    submit(kube, typed("--executors", "3", "--for", "10m"), suffix="0a")

    (found,) = list_applications(kube, "default")

    assert (found.name, found.state, found.shown_executors) == ("warm", "Warm", 3)
    end = w.clock.now + timedelta(minutes=10)
    assert found.cause == f"4 tasks wait for a job until {end:%Y-%m-%dT%H:%M:%SZ}: $0.1975 an hour on Fargate"


def test_it_is_of_the_shape_of_the_job_that_run_makes_of_those_options(w: World, kube: InProcessClient) -> None:
    submit(kube, typed("--executor-memory", "2g", "--driver-memory", "700m"), suffix="0a")
    before = len(w.provider.tasks)
    job = JobSpec(application=A_PROGRAM, namespace="default", executor_memory="2g", driver_memory="700m")

    made = submit(kube, job, suffix="0b")

    driver = kube.get(made.path)
    assert handle_of(driver) != f"fake-{driver['metadata']['uid']}"
    assert len(w.provider.tasks) == before
    by_name = {each.name: each for each in list_applications(kube, "default")}
    assert (by_name["warm"].state, by_name["warm"].shown_executors) == ("Warm", 2), "its executors come later"


def test_one_that_waits_is_a_task_and_not_tasks(kube: InProcessClient) -> None:
    submit(kube, typed("--executors", "1"), suffix="0a")
    submit(kube, JobSpec(application=A_PROGRAM, namespace="default"), suffix="0b")  # takes the driver's

    found = next(each for each in list_applications(kube, "default") if each.name == "warm")

    assert found.cause.startswith("1 task waits for a job until ")


def test_they_are_ended_when_asked_to(w: World, kube: InProcessClient) -> None:
    submit(kube, typed(), suffix="0a")

    (found,) = list_applications(kube, "default")
    end_application(kube, "default", found, by="a test")
    w.observe_all()

    assert [each.state for each in list_applications(kube, "default")] == ["Ended"]
    assert all(each.phase == "stopped" for each in w.provider.list_tasks())


def test_a_control_plane_that_keeps_none_warm_says_so(tmp_path: Path) -> None:
    plane = control_plane(tmp_path, provider="process")

    try:
        with pytest.raises(ApiError, match=r"provider process starts tasks .* keeps none warm"):
            submit(InProcessClient(ApiClient(plane)), typed(), suffix="0a")
    finally:
        plane.close()


@pytest.mark.parametrize(
    ("name", "wish", "is_met"), [("keep-warm", "10m", False), ("park", "true", False), ("park", "false", True)]
)
def test_a_wish_for_early_tasks_that_is_not_met_is_told_once(
    tmp_path: Path, name: str, wish: str, is_met: bool
) -> None:
    said: list[str] = []
    plane = control_plane(tmp_path, provider="process")
    try:
        conf = {f"spark.kubernetes.driver.annotation.sparkanywhere.io/{name}": wish}
        job = JobSpec(application=A_PROGRAM, namespace="default", conf=conf)
        submit(InProcessClient(ApiClient(plane)), job, suffix="0a", say=said.append)
    finally:
        plane.close()

    expected = (
        f"Warning: metadata.annotations[sparkanywhere.io/{name}]: provider process starts tasks for pods that are"
        " there, and keeps none warm"
    )
    assert said == ([] if is_met else [expected])


@pytest.fixture
def plane(kube: InProcessClient, monkeypatch: pytest.MonkeyPatch) -> InProcessClient:
    """Let the command work on that World, whose nodes a test makes."""
    target = Target(Access("http://127.0.0.1:1"), "default", "prod")
    for module in (warm_command, dry_run_module):
        monkeypatch.setattr(module, "find_target", lambda *_args, **_named: target)
        monkeypatch.setattr(module, "KubeClient", lambda _access: kube)
    return kube


def ran(*words: str) -> tuple[int, str]:
    """Return the exit code of a command line, and what it prints."""
    result = CliRunner().invoke(main, ["warm", *words])
    return result.exit_code, result.output


def test_a_dry_run_says_what_it_would_cost_at_most(plane: InProcessClient) -> None:
    plane.add_node("fargate")

    code, said = ran("--executors", "4", "--for", "30m", "--dry-run")

    assert code == 0, said
    assert "5 tasks would wait 30m" in said
    assert "at most $0.1234 in all" in said
    assert "Nothing was created." in said
    assert not plane.get("/api/v1/namespaces/default/pods")["items"]


@pytest.mark.parametrize("also", [(), ("--dry-run",)])
@pytest.mark.parametrize("provider", sorted(each.name for each in registry.declarations() if not each.binds_late))
def test_where_nothing_is_kept_warm_both_say_so_and_where_it_is(
    plane: InProcessClient, provider: str, also: tuple[str, ...]
) -> None:
    plane.add_node(provider)

    assert ran(*also) == (
        USAGE,
        f"Error: Provider {provider} keeps no tasks warm: run the job without. Providers that do: fargate (tasks of AWS"
        " ECS on Fargate); --on names such a deployment.\n",
    )


@pytest.mark.parametrize("also", [(), ("--dry-run",)])
def test_a_cluster_that_is_no_control_plane_of_ours_is_refused(plane: InProcessClient, also: tuple[str, ...]) -> None:
    plane.api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})

    code, said = ran(*also)

    assert (code, "This cluster keeps no tasks warm" in said) == (USAGE, True)


@pytest.mark.parametrize("also", [(), ("--dry-run",)])
def test_without_a_server_on_this_laptop_both_refuse(
    also: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))

    code, said = ran("--on", "laptop", *also)

    assert (code, "process keeps no tasks warm" in said) == (USAGE, True)


@pytest.mark.parametrize("also", [(), ("--dry-run",)])
@pytest.mark.parametrize("words", ["--executors 51", "--executors 100000000", "-c spark.executor.instances=60"])
def test_no_more_are_promised_than_are_parked(plane: InProcessClient, words: str, also: tuple[str, ...]) -> None:
    plane.add_node("fargate")

    code, said = ran(*words.split(), *also)

    assert (code, f"the tasks of {MOST_PARKED} at most wait with one driver" in said) == (USAGE, True)


TAKEN = {  # by options whose values are checked
    "py_files": __file__,
    "files": __file__,
    "jars": __file__,
    "archives": __file__,
    "requirements": "",
    "env_file": "",
    "properties_file": "",
    "driver_template": "",
    "executor_template": "",
    "arch": "arm64",
    "conf": "spark.x=y",
    "env": "A=B",
    "labels": "a=b",
    "secret_env": "A=s:k",
    "span": "1h",
    "executor_memory": "2g",
    "driver_memory": "2g",
    "jar_sets": "s3",
    "catalog": "hadoop=s3a://b/lake",
    "keep_shuffle": "s3a://b/shuffle",
    "image_pull_policy": "Always",
    "spark": "4.3.0",
    "output": "json",
    "packages": "a:b:1",
    "exclude_packages": "a:b",
    "repositories": "https://repo.example",
    "service_account": "sa",
    "namespace": "jobs",
    "context": "prod",
}
OFFERED = [each for each in warm.params if isinstance(each, click.Option) and each.name not in ("stop", "help")]


@pytest.mark.parametrize("option", OFFERED, ids=lambda each: str(each.name))
def test_each_option_is_taken(
    option: click.Option, plane: InProcessClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_command, "namespace_of", lambda *_args: "default")
    plane.add_node("fargate")
    text = TAKEN.get(str(option.name), "1")
    if not text:
        path = tmp_path / "some.txt"
        path.write_text("kind: Pod\n" if "template" in str(option.name) else "A=B\n")
        text = str(path)

    program = ["local:///app.jar"] if option.name == "main_class" else []
    for flag in (*option.opts, *option.secondary_opts):
        code, said = ran(flag, *([] if option.is_flag else [text]), "--dry-run", *program)
        assert code == 0, said


@pytest.mark.parametrize("setting", ["secrets.key=/key", "volumes.hostPath.a.mount.path=/a"])
def test_executors_that_cannot_be_foretold_are_not_promised(setting: str, plane: InProcessClient) -> None:
    plane.add_node("fargate")

    code, said = ran("-c", f"spark.kubernetes.executor.{setting}", "--dry-run")

    assert (code, "are not foretold" in said) == (USAGE, True)


@pytest.mark.parametrize("words", ["--dynamic-allocation", "-c spark.dynamicAllocation.enabled=true"])
def test_as_many_executors_wait_where_the_job_allocates_them_by_and_by(
    words: str, w: World, kube: InProcessClient
) -> None:
    submit(kube, typed("--executors", "3", *words.split()), suffix="0a")

    assert len(w.provider.tasks) == 4


def test_a_namespace_is_that_of_its_pods() -> None:
    with warm.make_context("warm", ["-n", "jobs"]) as context:
        options = {**context.params}
        assert warm_spec(options, options.pop("span"), options.pop("namespace")).namespace == "jobs"


def shape_of(spec: JobSpec) -> str:
    """Return the shape on Fargate of a job's driver; files too large to be carried are fetched."""
    staged = sort_files(spec.named_files).staged
    fetched = [Fetched(each, "https://bucket", 1, "0" * 64, is_staged=True) for each in staged]
    pod: JSON = build(spec, suffix="0a", user="ana", fetched=fetched).driver
    if "template" in pod["spec"]:
        template = pod["spec"]["template"]
        pod = {**template, "metadata": {**template["metadata"], "name": "job-1", "namespace": "default", "uid": "u"}}
    known = {**pod, "spec": with_optional_volumes(spec_of(pod))}
    task = draft(known, Node("fargate", StorageLookup(MemoryStorage())))
    assert task is not None
    return shape(task, SITE)


@pytest.mark.parametrize(
    ("warmed", "job", "fits"),
    [
        ("", "etl.py", True),
        ("", "small.jar --class A", False),
        ("", "etl.py --files small.bin --py-files lib.zip", True),
        ("--executors 4 --driver-memory 2g", "etl.py --executors 3 --driver-memory 2g", True),
        ("", "etl.py --files large.bin", False),
        ("", "large.jar --class A", False),
        ("", "local:///opt/spark/examples/src/main/python/pi.py", False),
        ("", "https://example.com/etl.py", False),
        ("", "etl.py --driver-memory 2g", False),
        ("", "etl.py --secret key=/key", False),
        ("large.jar", "large.jar --class A", True),
        ("small.jar", "small.jar --class A", True),
        ("--executors 4 large.jar", "other.jar --class A --executors 4", True),
        ("etl.py --files large.bin", "etl.py --files large.bin", True),
        ("local:///a.py", "https://example.com/b.py", True),
        ("local:///a.jar", "local:///b.jar --class A", True),
        ("local:///a.py", "local:///b.jar --class A", False),
        ("--image i:1", "etl.py --image i:1", True),
        ("", "etl.py --max-attempts 2", True),
    ],
)
def test_it_fits_the_jobs_that_the_help_names(
    warmed: str, job: str, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("etl.py", "small.jar", "small.bin", "lib.zip"):
        with ZipFile(name, "w") as archive:  # as a jar has to be
            archive.writestr("a", b"1")
    for name in ("large.jar", "other.jar", "large.bin"):
        with ZipFile(name, "w") as archive:
            archive.writestr("a", bytes(MAX_CARRIED_BYTES))

    assert (shape_of(typed(*warmed.split())) == shape_of(run_spec(*job.split()))) is fits


@pytest.mark.parametrize("span", ["never", "60s", "2d", "soon"])
def test_a_time_that_is_none_is_refused(span: str) -> None:
    result = CliRunner().invoke(main, ["warm", "--for", span, "--dry-run"])

    assert (result.exit_code, "of a day at most" in result.output) == (USAGE, True)
