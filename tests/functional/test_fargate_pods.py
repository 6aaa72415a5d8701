"""Pods on AWS in a box: what ECS, its events and its capacity do to them, with small containers in place of Spark's."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from sparkanywhere.client.kube_client import Access, KubeClient
from sparkanywhere.jobs.job_files import FETCHED_PATH, sort_files
from sparkanywhere.jobs.objects import build
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import bring
from sparkanywhere.jobs.submission import submit
from tests.aws_box.box import AwsBox
from tests.aws_box.client import PODS
from tests.aws_box.deployment import TOKEN
from tests.aws_box.ecs_task import Document
from tests.aws_box.event_bus import Trouble
from tests.aws_box.fake_ecs import EcsError
from tests.aws_box.package import Package
from tests.aws_box.reader import proof, readable
from tests.functional.docker_tasks import BEYOND_MEMORY
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.slow]

POD_SECONDS = 90.0
TASK_ROLES = "arn:aws:iam::123456789012:role/sparkanywhere-prod/tasks"
MERGE = {"Content-Type": "application/merge-patch+json"}
CONFIG_MAP = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings"},
    "data": {"address": "in a file"},
}


@pytest.fixture(scope="module")
def box(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsBox]:
    made = AwsBox(package, tmp_path_factory.mktemp("aws"), schedule_seconds=2.0)
    made.client.call("POST", "/api/v1/namespaces/default/configmaps", json=CONFIG_MAP)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quiet_end(box: AwsBox) -> Iterator[None]:
    """Hold after each test that no task is left, and no pod that says it runs."""
    yield
    box.events.trouble = Trouble()
    box.client.call("DELETE", PODS, params={"gracePeriodSeconds": "1"})
    box.wait_until_quiet()
    until(lambda: not box.client.get(PODS)["items"], "deleted pods to go", seconds=POD_SECONDS)


def shell(script: str, **more: Any) -> dict[str, Any]:
    """Return a pod spec's containers: one that runs a script."""
    container = {"name": "main", "image": "busybox:latest", "command": ["sh", "-c", script], **more}
    return {"containers": [container]}


def wait_for(box: AwsBox, name: str, *phases: str) -> dict[str, Any]:
    """Return the pod's status once its phase is one of these."""
    until(lambda: box.client.phase(name) in phases, f"pod {name} to be {' or '.join(phases)}", seconds=POD_SECONDS)
    status: dict[str, Any] = box.client.pod(name)["status"]
    return status


def wait_for_log(box: AwsBox, container: str, words: str) -> None:
    """Wait for words in the log, whose lines come after the container's end."""
    until(lambda: words in box.logs.text(container), f"{words} in the log of {container}", seconds=POD_SECONDS)


def terminated(status: dict[str, Any]) -> dict[str, Any]:
    """Return how the pod's first container ended."""
    found: dict[str, Any] = status["containerStatuses"][0]["state"]["terminated"]
    return found


def events(box: AwsBox, name: str) -> dict[str, str]:
    """Return the pod's Events: message by reason."""
    selector = f"fieldSelector=involvedObject.name%3D{name}"
    found = box.client.get(f"/api/v1/namespaces/default/events?{selector}")["items"]
    return {each["reason"]: each["message"] for each in found}


@pytest.fixture
def bucket(box: AwsBox) -> Iterator[None]:
    """Have the project's bucket, where the box's functions and tasks reach it."""
    server = ThreadedMotoServer(ip_address=box.fargate.host, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for function in box.deployment.functions:
        function.restart(AWS_ENDPOINT_URL_S3=f"http://{host}:{port}")
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="box",
        aws_secret_access_key="box",
        region_name="us-east-1",
    )
    s3.create_bucket(Bucket="sparkanywhere-prod-123456789012-us-east-1")
    yield
    server.stop()


@pytest.mark.usefixtures("bucket")
def test_a_large_file_goes_through_the_bucket_to_its_task(box: AwsBox, tmp_path: Path) -> None:
    big, program = tmp_path / "big.bin", tmp_path / "job.py"
    big.write_bytes(os.urandom(7_000_000))  # more than a Lambda takes or gives
    program.write_text("print(1)")
    fetched = bring(KubeClient(Access(box.url, TOKEN)), "default", sort_files([str(big)]))
    spec = JobSpec(application=str(program), files=(str(big),), image="busybox:latest")
    made = build(spec, suffix="0a", user="ana", fetched=fetched)
    made.driver["spec"]["containers"][0]["command"] = ["sh", "-c", f"sha256sum {FETCHED_PATH}/big.bin"]

    assert box.client.call("POST", PODS, json=made.driver).status_code == 201
    for collection, obj in made.owned:
        response = box.client.call("POST", f"/api/v1/namespaces/default/{collection}", json=obj)
        assert response.status_code == 201, response.text
    status = wait_for(box, "job-0a-driver", "Succeeded", "Failed")
    assert status["phase"] == "Succeeded", f"{status} {box.logs.text('fetch-files')}"

    wait_for_log(box, "spark-kubernetes-driver", fetched[0].sha256)
    assert box.client.call("DELETE", "/api/v1/namespaces/default/secrets/job-0a-fetch").status_code == 200


def test_a_warm_task_runs_the_next_jobs_driver(box: AwsBox) -> None:
    client = KubeClient(Access(box.url, TOKEN))
    program, warm = "local:///job.py", "spark.kubernetes.driver.annotation.sparkanywhere.io/warm"
    submit(client, JobSpec(application=program, image="busybox:latest", name="warm", conf={warm: "5m"}), suffix="0a")
    names = ("warm-0a-driver", "warm-0a-driver-parked-1", "warm-0a-driver-parked-2")

    def have_tasks() -> bool:
        pods = {each["metadata"]["name"]: each["metadata"]["annotations"] for each in box.client.get(PODS)["items"]}
        return all("sparkanywhere.io/task" in pods.get(name, {}) for name in names)

    until(have_tasks, "a driver and two executors to have tasks", seconds=POD_SECONDS)
    waiting = box.task_of(box.client.get(f"{PODS}/{names[0]}"))
    conf = {"spark.kubernetes.driver.annotation.sparkanywhere.io/park": "false"}
    made = build(JobSpec(application=program, image="busybox:latest", conf=conf), suffix="0b", user="ana")
    made.driver["spec"]["containers"][0]["command"] = ["sh", "-c", "echo runs as $SPARK_APPLICATION_ID"]

    assert box.client.call("POST", PODS, json=made.driver).status_code == 201
    for collection, obj in made.owned:
        client.create(f"/api/v1/namespaces/default/{collection}", obj)
    wait_for(box, "job-0b-driver", "Succeeded")

    assert box.task_of(box.client.get(f"{PODS}/job-0b-driver")).id == waiting.id
    wait_for_log(box, "spark-kubernetes-driver", "runs as spark-0b")


@pytest.mark.kubectl
def test_a_pod_gets_its_environment_files_and_address_and_its_log_is_read(box: AwsBox) -> None:
    script = 'echo "$GREETING from $(hostname -i)"; cat /settings/address; exit 3'
    variables = [{"name": "GREETING", "value": 'it\'s a "quoted" $HOME'}]
    mounts = [{"name": "settings", "mountPath": "/settings"}]
    volumes = [{"name": "settings", "configMap": {"name": "settings"}}]
    box.client.create_pod("told", **shell(script, env=variables, volumeMounts=mounts), volumes=volumes)

    status = wait_for(box, "told", "Failed")

    assert terminated(status)["exitCode"] == 3
    wait_for_log(box, "main", "in a file")
    for command in (["logs", "told"], ["logs", "--follow", "told"]):
        read = box.client.kubectl(*command)
        assert (read.returncode, read.stderr) == (0, "")
        assert read.stdout == f'it\'s a "quoted" $HOME from {status["podIP"]}\nin a file\n'


def test_a_pod_whose_init_container_fails_has_failed_and_runs_nothing(box: AwsBox) -> None:
    first = {"name": "first", "image": "busybox:latest", "command": ["sh", "-c", "exit 3"]}
    second = {"name": "second", "image": "busybox:latest", "command": ["echo", "second ran"]}
    box.client.create_pod("unprepared", **shell("echo main ran"), initContainers=[first, second])

    status = wait_for(box, "unprepared", "Failed")

    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    assert terminated(status)["message"] == "first has failed"
    assert "second ran" not in box.logs.text("/second/")
    assert "main ran" not in box.logs.text("/main/")


def test_init_containers_run_one_after_the_other_before_the_main_ones(box: AwsBox) -> None:
    volume = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    inits = [
        {"name": name, "image": "busybox:latest", "command": ["sh", "-c", f"echo {name} >> /work/done"], **volume}
        for name in ("first", "second")
    ]
    work = {"initContainers": inits, "volumes": [{"name": "work", "emptyDir": {}}]}
    box.client.create_pod("prepared", **shell("cat /work/done; exit 4", **volume), **work)

    status = wait_for(box, "prepared", "Failed")

    assert terminated(status)["exitCode"] == 4
    wait_for_log(box, "main", "first\nsecond")


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "hunter2"}}
FROM_SECRET = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
OWN_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def test_a_reader_of_the_account_finds_no_secret_in_it(box: AwsBox) -> None:
    box.client.call("POST", "/api/v1/namespaces/default/secrets", json=SECRET)
    script = f'[ "$PASSWORD" = hunter2 ] && cat {OWN_TOKEN} > /dev/null && sleep 60'
    box.client.create_pod("secretive", **shell(script, env=[FROM_SECRET]))
    wait_for(box, "secretive", "Running")
    (task,) = box.tasks("secretive")
    its_token = box.fargate.read(task, "main", OWN_TOKEN)
    signing_key = json.loads(box.deployment.dynamodb.stored("sparkanywhere-signing-keys"))["key"]

    secrets = [TOKEN, "hunter2", base64.b64encode(b"hunter2").decode(), its_token, signing_key]
    secrets += [box.sts.session(task.session).secret, box.sts.session(task.session).token]

    assert all(len(each) > 6 for each in secrets)
    found = [(place, each) for place, text in readable(box).items() for each in secrets if each in text]
    assert found == []


def test_what_a_reader_of_the_account_finds_opens_no_payload(box: AwsBox) -> None:
    box.client.create_pod("waits", **shell("true"), initContainers=shell("sleep 60", name="first")["containers"])
    until(lambda: bool(box.tasks("waits")), "the task of a pod that stays Pending", seconds=POD_SECONDS)
    box.client.create_pod("other", **shell("sleep 60"))
    wait_for(box, "other", "Running")
    (task,), (other,) = (box.tasks(name)[:1] for name in ("waits", "other"))
    (override,) = task.described()["overrides"]["containerOverrides"]
    (url,) = [each["value"] for each in override["environment"]]
    audience = next(
        each["value"] for each in task.containers[0]["environment"] if each["name"] == "SPARKANYWHERE_AUDIENCE"
    )
    reader = box.sts.session("arn:aws:sts::123456789012:assumed-role/read-only/somebody")
    namesake = box.sts.session(task.session.replace("123456789012", "210987654321"))  # of an account of his own

    def fetch(bearer: str) -> int:
        headers = {"Authorization": f"Bearer {bearer}"}
        return requests.get(url, headers=headers, verify=False, timeout=30).status_code

    assert len(override["environment"]) == 1, "an address, and no token"
    assert [fetch(each) for each in ("", TOKEN, "k8s-aws-v1.aHR0cHM6Ly9zdHM")] == [401] * 3
    for stranger in (reader, namesake, box.sts.session(other.session)):
        assert fetch(proof(stranger, audience)) == 403
    assert fetch(proof(box.sts.session(task.session), "sparkanywhere")) == 401, "signed for another use"
    assert fetch(proof(replace(box.sts.session(task.session), secret="a-guess"), audience)) == 401
    assert fetch(proof(box.sts.session(task.session), audience)) == 200
    thief = box.sts.session(task.session.replace("-task/", "-his-own/"))  # of a role that he may name for pods
    for role in (f"{TASK_ROLES}/sparkanywhere-prod-his-own", "arn:aws:iam::210987654321:role/his-own"):
        named = {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": role}}}
        box.client.call("PATCH", "/api/v1/namespaces/default/serviceaccounts/default", json=named, headers=MERGE)
        assert [fetch(proof(each, audience)) for each in (thief, namesake)] == [403, 403]
        assert fetch(proof(box.sts.session(task.session), audience)) == 200
    unnamed = {"metadata": {"annotations": None}}
    box.client.call("PATCH", "/api/v1/namespaces/default/serviceaccounts/default", json=unnamed, headers=MERGE)
    (url,) = [url.replace(box.client.pod("waits")["metadata"]["uid"], box.client.pod("other")["metadata"]["uid"])]
    assert fetch(proof(box.sts.session(other.session), audience)) == 403, "once it runs"


def parked_job(box: AwsBox) -> dict[str, Any]:
    """Create a driver whose two executors' tasks start with it; return the executors' owner reference and image."""
    properties = (
        "spark.executor.instances=2\nspark.executor.memory=200m\nspark.kubernetes.container.image=busybox:latest\n"
    )
    driver = {
        **shell("sleep 600", name="spark-kubernetes-driver", args=["driver", "--class", "Pi"])["containers"][0],
        "env": [{"name": "SPARK_LOCAL_DIRS", "value": "/var/data/spark"}],
        "volumeMounts": [{"name": "conf", "mountPath": "/opt/spark/conf"}],
    }
    about = {"labels": {"spark-role": "driver"}, "annotations": {"sparkanywhere.io/park": "true"}}
    volumes = [{"name": "conf", "configMap": {"name": "drv"}}]
    made = box.client.create_pod("early", containers=[driver], volumes=volumes, metadata=about)["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "early", "uid": made["uid"], "controller": True}
    config_map = {"metadata": {"name": "drv", "ownerReferences": [owner]}, "data": {"spark.properties": properties}}
    box.client.call("POST", "/api/v1/namespaces/default/configmaps", json={**CONFIG_MAP, **config_map})
    return owner


def test_an_executor_runs_in_the_task_that_was_started_with_its_driver(box: AwsBox) -> None:
    owner = parked_job(box)
    until(lambda: len(box.tasks("early-parked-")) == 2, "the executors' tasks to start", seconds=POD_SECONDS)
    resources = {"requests": {"cpu": "1", "memory": "584Mi"}, "limits": {"memory": "584Mi"}}
    container = shell('echo "I am $SPARK_EXECUTOR_ID of $(hostname -i)"; sleep 600', resources=resources)["containers"]
    container[0] |= {
        "name": "spark-kubernetes-executor",
        "env": [{"name": "SPARK_EXECUTOR_ID", "value": "1"}],
        "volumeMounts": [
            {"name": "spark-conf-volume-exec", "mountPath": "/opt/spark/conf"},
            {"name": "spark-local-dir-1", "mountPath": "/var/data/spark"},
        ],
    }
    volumes = [
        {"name": "spark-conf-volume-exec", "configMap": {"name": "settings"}},
        {"name": "spark-local-dir-1", "emptyDir": {}},
    ]
    labels = {"spark-role": "executor", "spark-exec-id": "1"}
    about = {"labels": labels, "ownerReferences": [owner]}
    started = len(box.ecs.tasks)
    until(lambda: handle_of(box, "early-parked-1") != "", "the task to be known", seconds=POD_SECONDS)
    waiting = handle_of(box, "early-parked-1")

    box.client.create_pod("early-exec-1", containers=container, volumes=volumes, metadata=about)
    status = wait_for(box, "early-exec-1", "Running")

    assert handle_of(box, "early-exec-1") == waiting
    assert len(box.ecs.tasks) == started, "no other was started"
    wait_for_log(box, "spark-kubernetes-executor", f"I am 1 of {status['podIP']}")
    box.client.call("DELETE", f"{PODS}/early", params={"gracePeriodSeconds": "1"})
    box.wait_until_quiet()
    assert "Bound" in events(box, "early-exec-1")


def handle_of(box: AwsBox, name: str) -> str:
    """Return the task of a pod, "" while it has none."""
    return str((box.client.pod(name)["metadata"].get("annotations") or {}).get("sparkanywhere.io/task", ""))


def test_a_deleted_pod_gets_sigterm_and_goes(box: AwsBox) -> None:
    script = "trap 'echo asked to end; exit 0' TERM; sleep 600 & wait"
    box.client.create_pod("polite", **shell(script))
    wait_for(box, "polite", "Running")

    box.client.call("DELETE", f"{PODS}/polite")

    until(lambda: box.client.pod("polite") is None, "the pod to go", seconds=POD_SECONDS)
    wait_for_log(box, "main", "asked to end")


def test_a_prestop_hook_runs_before_the_end(box: AwsBox) -> None:
    script = "trap 'echo asked to end; exit 0' TERM; sleep 600 & wait"
    hook = {"preStop": {"exec": {"command": ["echo", "about to be"]}}}
    box.client.create_pod("hooked", **shell(script, lifecycle=hook))
    wait_for(box, "hooked", "Running")

    box.client.call("DELETE", f"{PODS}/hooked")

    until(lambda: box.client.pod("hooked") is None, "the pod to go", seconds=POD_SECONDS)
    wait_for_log(box, "main", "about to be\nasked to end")


def test_a_job_that_has_cost_too_much_by_list_price_is_ended_by_the_schedule(box: AwsBox) -> None:
    driver = box.client.create_pod("dear", **shell("sleep 600"))
    metadata = driver["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    executor = {"ownerReferences": [{**owner, "controller": True}]}
    box.client.create_pod("dear-exec-1", **shell("sleep 600"), metadata=executor)
    wait_for(box, "dear-exec-1", "Running")

    budget = {"annotations": {"sparkanywhere.io/max-usd": "0.0001"}}  # Fargate charges for a minute at least
    box.client.call("PATCH", f"{PODS}/dear", json={"metadata": budget}, headers=MERGE)

    status = wait_for(box, "dear", "Failed")

    assert status["reason"] == "BudgetExceeded"
    assert "of $0.0001 (sparkanywhere.io/max-usd)" in status["message"]
    until(lambda: box.client.pod("dear-exec-1") is None, "the executor to go", seconds=POD_SECONDS)
    assert "BudgetExceeded" in events(box, "dear")


def test_a_pod_whose_image_can_not_be_pulled_waits_with_its_name(box: AwsBox) -> None:
    container = {"name": "main", "image": "no.such.registry/image:1"}
    box.client.create_pod("imageless", containers=[container])

    def waiting() -> dict[str, str]:
        statuses = box.client.pod("imageless")["status"].get("containerStatuses") or [{}]
        found: dict[str, str] = statuses[0].get("state", {}).get("waiting") or {}
        return found

    until(lambda: waiting().get("reason") == "ErrImagePull", "the reason", seconds=POD_SECONDS)
    assert "no.such.registry/image:1" in waiting()["message"]
    assert box.client.phase("imageless") == "Pending"


def test_a_container_beyond_its_memory_was_killed_for_that(box: AwsBox) -> None:
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    box.client.create_pod("hungry", **shell(BEYOND_MEMORY, **limits))

    status = wait_for(box, "hungry", "Failed")

    assert (terminated(status)["reason"], terminated(status)["exitCode"]) == ("OOMKilled", 137)
    given = json.loads(box.client.pod("hungry")["metadata"]["annotations"]["sparkanywhere.io/size"])
    assert given == {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "20Gi"}


def test_any_user_may_write_into_a_volume_in_memory(box: AwsBox) -> None:
    spec = shell(
        "touch /fast/written && grep ' /fast tmpfs ' /proc/mounts",
        securityContext={"runAsUser": 185},
        volumeMounts=[{"name": "fast", "mountPath": "/fast"}],
    )
    box.client.create_pod("fast", **spec, volumes=[{"name": "fast", "emptyDir": {"medium": "Memory"}}])

    assert wait_for(box, "fast", "Succeeded", "Failed")["phase"] == "Succeeded", box.logs.text("main")


def test_failures_in_an_answer_of_200_are_tried_again(box: AwsBox) -> None:
    failure = {"arn": "x", "reason": "RESOURCE:FARGATE", "detail": "Capacity is unavailable at this time."}
    box.ecs.faults["RunTask"] = [lambda _asked, _go_on: {"tasks": [], "failures": [failure]}]

    box.client.create_pod("unlucky", **shell("true"))

    assert box.client.phase("unlucky") == "Pending"
    wait_for(box, "unlucky", "Succeeded")
    assert len(box.tasks("unlucky")) == 1


def test_a_throttled_launch_is_tried_again(box: AwsBox) -> None:
    def throttled(_asked: Document, _go_on: Any) -> Document:
        raise EcsError("ThrottlingException", "Rate exceeded")

    box.ecs.faults["RunTask"] = [throttled] * 3  # botocore itself tries twice

    box.client.create_pod("throttled", **shell("true"))

    wait_for(box, "throttled", "Succeeded")
    assert len(box.tasks("throttled")) == 1


def test_an_answer_lost_on_its_way_starts_no_second_task(box: AwsBox) -> None:
    def lost(asked: Document, go_on: Any) -> Document:
        go_on(asked)
        raise EcsError("ServerException", "the answer got lost")

    box.ecs.faults["RunTask"] = [lost, lost]

    box.client.create_pod("doubted", **shell("sleep 3"))

    wait_for(box, "doubted", "Succeeded")
    assert len(box.tasks("doubted")) == 1


def test_a_pod_that_ecs_refuses_waits_and_runs_once_it_is_taken(box: AwsBox) -> None:
    def refused(_asked: Document, _go_on: Any) -> Document:
        raise EcsError("InvalidParameterException", "Subnets do not exist")

    box.ecs.faults["RunTask"] = [refused]

    box.client.create_pod("refused", **shell("true"))

    told = "ECS's words in an Event"
    until(lambda: "Subnets do not exist" in str(events(box, "refused")), told, seconds=POD_SECONDS)
    wait_for(box, "refused", "Succeeded")


def test_a_pod_without_any_event_is_healed_by_the_schedule(box: AwsBox) -> None:
    box.events.trouble = Trouble(drop=1.0)

    box.client.create_pod("unheard", **shell("exit 4"))

    status = wait_for(box, "unheard", "Failed")
    assert terminated(status)["exitCode"] == 4


def test_doubled_and_reordered_events_change_nothing_twice(box: AwsBox) -> None:
    box.events.trouble = Trouble(double=0.7, delay_seconds=4.0)
    names = [f"shuffled-{number}" for number in range(3)]
    for name in names:
        box.client.create_pod(name, **shell("exit 0"))

    for name in names:
        status = wait_for(box, name, "Succeeded", "Failed")
        assert status["phase"] == "Succeeded"
        assert terminated(status)["exitCode"] == 0


def test_an_interrupted_pod_that_has_an_owner_is_terminating(box: AwsBox) -> None:
    owner = box.client.create_pod("owner", **shell("sleep 600"))
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "owner", "uid": owner["metadata"]["uid"]}
    spot = {"sparkanywhere.io/capacity-type": "spot"}
    box.client.create_pod(
        "interrupted",
        **shell("trap 'sleep 5; exit 0' TERM; sleep 600 & wait"),
        nodeSelector=spot,
        metadata={"ownerReferences": [reference]},
    )
    wait_for(box, "interrupted", "Running")
    (task,) = box.tasks("interrupted")

    box.fargate.interrupt(task)

    assert task.document["capacityProviderName"] == "FARGATE_SPOT"
    until(
        lambda: "deletionTimestamp" in (box.client.pod("interrupted") or {"metadata": {}})["metadata"],
        "the pod to be Terminating",
        seconds=POD_SECONDS,
    )
    until(lambda: box.client.pod("interrupted") is None, "the pod to go", seconds=POD_SECONDS)


def test_the_pods_events_say_where_the_time_of_its_start_went(box: AwsBox) -> None:
    box.client.create_pod("timed", **shell("true"))

    wait_for(box, "timed", "Succeeded")

    assert "Pulled" in events(box, "timed")


def test_pods_of_one_shape_share_one_task_definition(box: AwsBox) -> None:
    before = len(box.ecs.definitions)
    for number in range(3):
        box.client.create_pod(f"alike-{number}", **shell("true", env=[{"name": "N", "value": str(number)}]))

    for number in range(3):
        wait_for(box, f"alike-{number}", "Succeeded")

    assert len(box.ecs.definitions) - before <= 1
