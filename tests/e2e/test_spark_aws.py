"""Real Spark on AWS in a box: stock spark-submit, the packaged control plane, and tasks on a Docker engine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.client.kube_client import Access, KubeClient
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.submission import new_suffix
from sparkanywhere.jobs.submission import submit as submit_ours
from sparkanywhere.local.kubeconfig import kubeconfig, write_kubeconfig
from tests.aws_box.box import AwsBox
from tests.aws_box.deployment import BUCKET, TOKEN
from tests.aws_box.ecs_task import Document
from tests.aws_box.event_bus import Trouble
from tests.aws_box.fake_ecs import EcsError
from tests.aws_box.session_manager import installed
from tests.aws_box.spark_job import DRIVER, EXECUTOR, JOB_SECONDS, PARKED, pi_here, run_here, submit
from tests.contexts import context_of
from tests.e2e.conftest import GONE_SECONDS
from tests.e2e.connect_clients import ENGINES, connecting
from tests.e2e.docker_cluster import image_for
from tests.e2e.spark_scenarios import NEWEST, PI, VERSIONS, Spark
from tests.functional.local_server import PROJECT
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.docker, pytest.mark.image, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def _images() -> None:
    for version in VERSIONS:
        image_for(version)


@pytest.mark.parametrize("version", VERSIONS)
def test_spark_pi_runs_with_its_driver_on_this_machine(box: AwsBox, tmp_path: Path, version: str) -> None:
    job = run_here(box, tmp_path, *pi_here(version), version=version)

    assert PI in job.output()
    assert len(job.executor_tasks()) == 2


# The driver is one of the executors that it tells of. Five seconds are for the test to see that the others are gone.
GROWS_AND_SHRINKS = """
sc.parallelize(1 to 18, 18).foreach(_ => Thread.sleep(5000))
val deadline = System.currentTimeMillis + 120000
while (sc.statusTracker.getExecutorInfos.length > 2 && System.currentTimeMillis < deadline) Thread.sleep(200)
Thread.sleep(5000)
println(s"the sum is ${sc.parallelize(1 to 100, 2).sum}")
System.exit(0)
"""


@pytest.mark.kubectl
@pytest.mark.parametrize("version", VERSIONS)
def test_dynamic_allocation_asks_for_executors_and_lets_them_go_though_functions_are_killed(
    box: AwsBox, tmp_path: Path, version: str
) -> None:
    program = tmp_path / "grows.scala"
    program.write_text(GROWS_AND_SHRINKS)
    conf = {
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "1",
        "spark.dynamicAllocation.maxExecutors": "3",
        "spark.dynamicAllocation.executorIdleTimeout": "3s",
        "spark.executor.instances": "1",
    }
    job = run_here(box, tmp_path, "-i", str(program), conf=conf, version=version)
    job.wait_for_executors(3)

    assert box.deployment.api.kill_all() > 0

    shown = box.client.kubectl("get", "pods", "--selector=spark-role=executor", "--output=name")
    assert "-exec-" in shown.stdout, shown.stderr
    until(lambda: len(job.running_executors()) == 1, "two to be let go", seconds=JOB_SECONDS)
    output = job.output()
    assert "the sum is 5050.0" in output
    assert "HttpClosedException" not in output  # API Gateway's connections, docs/aws.md


def test_a_killed_executor_is_replaced_and_a_killed_driver_ends_all_though_events_are_lost(
    box: AwsBox, tmp_path: Path
) -> None:
    box.events.trouble = Trouble(drop=0.2, double=0.3, delay_seconds=1.0)
    job = submit(box, tmp_path, parts=1_000_000, version=NEWEST)
    task = box.task_of(job.wait_for_executors(2)[0])

    box.fargate.kill(task, EXECUTOR)

    until(lambda: len(job.executor_tasks()) > 2, "a third executor's task", seconds=JOB_SECONDS)
    job.wait_for_executors(2)
    box.fargate.kill(box.task_of(job.driver()), DRIVER)
    until(lambda: job.phase() == "Failed", "the driver's pod to fail", seconds=GONE_SECONDS)
    box.wait_until_quiet()  # executors end with their driver
    until(lambda: not job.running_executors(), "no pod to say that it runs", seconds=GONE_SECONDS)
    ended = job.driver()["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 137
    job.process.communicate(timeout=JOB_SECONDS)  # spark-submit sees its driver fail


def launch_troubles(box: AwsBox) -> list[Any]:
    """Return what happens to RunTask's calls: the driver's goes well, its executors' in no way at first."""

    def good(asked: Document, go_on: Any) -> Document:
        answer: Document = go_on(asked)
        return answer

    def no_capacity(_asked: Document, _go_on: Any) -> Document:
        detail = "Capacity is unavailable at this time. Please try again later"
        return {"tasks": [], "failures": [{"reason": "RESOURCE:FARGATE", "detail": detail}]}

    def throttled(_asked: Document, _go_on: Any) -> Document:
        raise EcsError("ThrottlingException", "Rate exceeded")

    def doomed(asked: Document, go_on: Any) -> Document:
        box.fargate.dooms.append("Timeout waiting for network interface provisioning to complete.")
        return good(asked, go_on)

    return [good, no_capacity, throttled, throttled, doomed]


def test_executors_that_start_with_trouble_and_end_with_their_spot_capacity_are_replaced(
    box: AwsBox, tmp_path: Path
) -> None:
    box.ecs.faults["RunTask"] = launch_troubles(box)
    conf = {
        "spark.kubernetes.driver.annotation.sparkanywhere.io/park": "false",  # the troubles are the executors'
        "spark.kubernetes.executor.node.selector.sparkanywhere.io/capacity-type": "spot",
        "spark.decommission.enabled": "true",
    }
    job = submit(box, tmp_path, conf=conf, parts=1500, version=NEWEST)
    interrupted = job.wait_for_executors(2)[0]
    until(lambda: job.log().count("Registered executor") >= 2, "executors to register", seconds=JOB_SECONDS)
    task = box.task_of(interrupted)
    before = len(job.executor_tasks())

    box.fargate.interrupt(task)

    assert task.document["capacityProviderName"] == "FARGATE_SPOT"
    assert before == 3  # one died before it ran; what was refused has left nothing
    until(lambda: len(job.executor_tasks()) > before, "another executor's task", seconds=JOB_SECONDS)
    assert job.end() == "Succeeded"
    assert re.search(r"Executor \d+ on \S+ is decommissioned", job.log()), "it was lost, not decommissioned"


@pytest.mark.parametrize("version", ["3.5.9"])
def test_a_job_of_ours_with_s3_reads_and_writes_as_its_tasks_role(box: AwsBox, version: str) -> None:
    client = KubeClient(Access(box.url, token=TOKEN))
    spec = JobSpec(
        application=str(PROJECT / "tools" / "jar_checks.py"),
        args=("s3", f"s3://{BUCKET}/data"),
        jar_sets=("s3",),
        spark=version,
        executors=1,
        driver_memory="600m",
        executor_memory="600m",
        conf={"spark.hadoop.fs.s3a.endpoint": box.s3_url, "spark.hadoop.fs.s3a.path.style.access": "true"},
    )

    made = submit_ours(client, spec, suffix=new_suffix())

    until(lambda: box.client.phase(made.name) in ("Succeeded", "Failed"), "the driver to end", seconds=JOB_SECONDS)
    said = box.client.kubectl("logs", made.name).stdout
    assert "set s3 writes and reads" in said, said[-3000:]
    assert box.client.phase(made.name) == "Succeeded"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_connect_server_in_a_task_is_used_through_session_managers_port(
    box: AwsBox, spark: Spark, tmp_path: Path, engine: str
) -> None:
    file = tmp_path / "kubeconfig"
    write_kubeconfig(file, kubeconfig(box.url, token=TOKEN))
    (programs := tmp_path / "bin").mkdir()
    environ = {**context_of(file), "PATH": f"{installed(programs)}:{os.environ['PATH']}"}
    with connecting(spark(NEWEST), tmp_path, environ) as connect, connect.client() as ana, connect.client() as wrong:
        url = connect(*ENGINES[engine], "--user", "ana")

        ana.use(url)
        assert "UNAUTHENTICATED" in wrong.last_words(f"{url}x", "sum")


def test_a_driver_that_is_deleted_takes_its_executors_along(box: AwsBox, tmp_path: Path) -> None:
    job = submit(box, tmp_path, parts=1_000_000)

    tasks = {box.task_of(each).id: box.task_of(each) for each in job.wait_for_executors(2)}

    assert len(tasks) == len(job.executor_tasks()) == 2
    assert all(PARKED in str(task.document["tags"]) for task in tasks.values())

    deleted = box.client.kubectl("delete", "pod", job.driver()["metadata"]["name"])

    assert deleted.returncode == 0, deleted.stderr
    box.wait_until_quiet()
    until(lambda: not job.executors(), "the executors' pods to go", seconds=GONE_SECONDS)
    job.process.communicate(timeout=JOB_SECONDS)  # spark-submit sees its driver go
