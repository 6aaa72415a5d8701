"""Tasks of one shape share a definition; nothing of a pod's own is in it, nor any secret beside it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from botocore.loaders import Loader

from chalicelib.providers.base import ADDRESS, Container, File, Mount, RegistryLogin, Task, TaskRejected, Volume
from chalicelib.providers.fargate import payload
from chalicelib.providers.fargate.definitions import (
    TMPFS_OPTIONS,
    Launch,
    client_token,
    definition,
    run_task,
    unhonoured,
)
from chalicelib.providers.fargate.site import DeploymentConfig

SITE = DeploymentConfig(
    name="sparkanywhere",
    cluster="jobs",
    region="us-east-1",
    subnets=(("us-east-1a", "subnet-a"), ("us-east-1b", "subnet-b")),
    security_group="sg-1",
    assign_public_ip=True,
    execution_role_arn="arn:aws:iam::1:role/execution",
    task_role_arn="arn:aws:iam::1:role/task",
    log_group="/sparkanywhere/tasks",
)
LAUNCH = Launch("arn:definition", "https://api/payload")


def executor(number: int, **changed: object) -> Task:
    container = Container(
        name="spark-kubernetes-executor",
        image="apache/spark:4.3.0",
        args=("executor",),
        env=(("SPARK_EXECUTOR_ID", str(number)), ("SPARK_EXECUTOR_POD_IP", ADDRESS), ("KEY", "s3cret")),
        mounts=(Mount("conf", "/opt/spark/conf"), Mount("tmp", "/dev/fast")),
    )
    files = (File("spark.properties", f"spark.id={number}".encode()),)
    task = Task(
        uid=f"uid-{number}",
        group="jobs",
        name=f"exec-{number}",
        containers=(container,),
        volumes=(Volume("conf", "files", files=files), Volume("tmp", "memory", size_mib=128)),
        cpu_milli=1000,
        memory_mib=1408,
    )
    return replace(task, **changed)  # type: ignore[arg-type]  # fields of Task by name


def test_executors_of_one_application_share_a_definition() -> None:
    assert definition(executor(1), SITE) == definition(executor(2), SITE)


@pytest.mark.parametrize(
    "changed",
    [
        {"cpu_milli": 2000},
        {"disk_gib": 50},
        {"placement": (("kubernetes.io/arch", "arm64"),)},
        {"placement": (("eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/other"),)},
        {"volumes": (Volume("conf", "files"), Volume("tmp", "scratch"))},
    ],
)
def test_another_shape_is_another_family(changed: dict[str, object]) -> None:
    assert definition(executor(1, **changed), SITE)["family"] != definition(executor(1), SITE)["family"]


def test_neither_definition_nor_overrides_hold_what_is_secret() -> None:
    task = executor(1)

    public = json.dumps([definition(task, SITE), run_task(task, SITE, LAUNCH)])

    assert "s3cret" not in public
    assert "spark.id" not in public
    assert len(json.dumps(run_task(task, SITE, LAUNCH)["overrides"])) < 8192


def test_containers_start_once_the_payload_is_there_and_init_containers_are_done() -> None:
    init = Container(name="prepare", image="busybox", init=True)
    task = executor(1)

    made = definition(replace(task, containers=(init, *task.containers)), SITE)["containerDefinitions"]

    assert [each["name"] for each in made] == [payload.FETCHER, "prepare", "spark-kubernetes-executor"]
    assert [each["essential"] for each in made] == [False, False, True]
    assert made[1]["dependsOn"] == [{"containerName": payload.FETCHER, "condition": "COMPLETE"}]
    assert [each["containerName"] for each in made[2]["dependsOn"]] == ["prepare"]
    assert [each["mountPoints"][0]["readOnly"] for each in made] == [False, False, True]


def test_memory_volumes_are_tmpfs() -> None:
    main = definition(executor(1), SITE)["containerDefinitions"][1]

    assert main["linuxParameters"]["tmpfs"] == [
        {"containerPath": "/dev/fast", "size": 128, "mountOptions": ["mode=1777"]}
    ]


def test_a_memory_volume_has_only_options_that_the_api_reference_lists() -> None:
    model = Loader().load_service_model("ecs", "service-2")
    documented = model["shapes"]["Tmpfs"]["members"]["mountOptions"]["documentation"]
    names = [option.partition("=")[0] for option in TMPFS_OPTIONS]

    assert [name for name in names if f'"{name}"' not in documented] == []


def test_a_zone_chooses_its_subnet_and_an_unknown_one_is_rejected() -> None:
    zone = executor(1, placement=(("topology.kubernetes.io/zone", "us-east-1b"),))
    nowhere = executor(1, placement=(("topology.kubernetes.io/zone", "mars"),))

    network = run_task(zone, SITE, LAUNCH)["networkConfiguration"]["awsvpcConfiguration"]

    assert network["subnets"] == ["subnet-b"]
    with pytest.raises(TaskRejected):
        run_task(nowhere, SITE, LAUNCH)


def test_a_client_token_is_the_pods_own_and_another_for_each_attempt() -> None:
    uid = "8d2b0b2e-7b0a-4d60-9d1c-0a3a2f9f6c11"

    tokens = [client_token(uid, attempt) for attempt in range(3)]

    assert tokens[0] == uid
    assert len(set(tokens)) == 3
    assert all(len(token) <= 64 for token in tokens)


def test_commands_are_taken_in_tasks_where_the_deployment_says_so() -> None:
    task = executor(1)

    assert run_task(task, SITE, LAUNCH)["enableExecuteCommand"] is False
    assert run_task(task, replace(SITE, execute_command=True), LAUNCH)["enableExecuteCommand"] is True


def main_container(task: Task) -> dict[str, object]:
    made: dict[str, object] = definition(task, SITE)["containerDefinitions"][-1]
    return made


@pytest.mark.parametrize(("grace", "timeout"), [(0, 2), (1, 2), (30, 30), (600, 120)])
def test_the_time_to_stop_is_one_that_fargate_takes(grace: int, timeout: int) -> None:
    assert main_container(executor(1, stop_grace_seconds=grace))["stopTimeout"] == timeout


def limited(name: str, *, cpu: int | None, memory: int | None, init: bool = False) -> Container:
    return Container(name=name, image="busybox", cpu_milli=cpu, memory_mib=memory, init=init)


def test_the_limit_of_a_container_is_its_own_where_the_task_has_as_much() -> None:
    main = main_container(executor(1, containers=(limited("main", cpu=1000, memory=1408),)))

    assert (main["cpu"], main["memory"]) == (1024, 1408)


def test_limits_beyond_the_task_are_left_to_the_task() -> None:
    main = main_container(executor(1, containers=(limited("main", cpu=4000, memory=1408),)))
    both = limited("one", cpu=500, memory=1500), limited("two", cpu=500, memory=1500)
    shared = main_container(executor(1, containers=both))

    assert "cpu" not in main
    assert main["memory"] == 1408
    assert "memory" not in shared
    assert shared["cpu"] == 512


def test_an_init_container_takes_nothing_from_the_others() -> None:
    init = limited("prepare", cpu=1000, memory=2048, init=True)
    main = limited("main", cpu=1000, memory=2048)

    made = definition(executor(1, containers=(init, main)), SITE)["containerDefinitions"]

    assert ["memory" in each for each in made] == [False, False, True]


def test_a_container_that_shall_run_again_does_so_after_the_shortest_time_that_ecs_takes() -> None:
    sidecar = Container(name="proxy", image="busybox", restart="always")

    policy = main_container(executor(1, containers=(sidecar,)))["restartPolicy"]

    assert policy == {"enabled": True, "ignoredExitCodes": [], "restartAttemptPeriod": 60}


def test_of_several_zones_and_architectures_those_that_are_there_are_taken() -> None:
    either = (("kubernetes.io/arch", "s390x,arm64"), ("topology.kubernetes.io/zone", "us-east-1b,us-east-1f"))
    task = executor(1, placement=either)

    network = run_task(task, SITE, LAUNCH)["networkConfiguration"]["awsvpcConfiguration"]

    assert network["subnets"] == ["subnet-b"]
    assert definition(task, SITE)["runtimePlatform"]["cpuArchitecture"] == "ARM64"


@pytest.mark.parametrize(
    ("key", "value"), [("kubernetes.io/os", "windows"), ("topology.kubernetes.io/region", "eu-west-1")]
)
def test_another_system_or_region_is_refused(key: str, value: str) -> None:
    with pytest.raises(TaskRejected, match=value):
        definition(executor(1, placement=((key, value),)), SITE)


def test_the_system_and_region_that_are_here_are_taken() -> None:
    here = (("kubernetes.io/os", "linux"), ("topology.kubernetes.io/region", "us-east-1"))

    assert definition(executor(1, placement=here), SITE) == definition(executor(1), SITE)


def test_a_path_of_the_host_is_refused_and_no_empty_folder_in_its_place() -> None:
    host = executor(1, volumes=(Volume("conf", "host", source="/data"), Volume("tmp", "memory")))

    with pytest.raises(TaskRejected, match="conf"):
        definition(host, SITE)


def test_a_claim_has_its_room_on_the_tasks_disk() -> None:
    claim, scratch = Volume("conf", "named", size_mib=100 * 1024), Volume("tmp", "scratch", size_mib=1)

    assert definition(executor(1, volumes=(claim, scratch)), SITE)["ephemeralStorage"] == {"sizeInGiB": 101}


def test_tags_keep_within_what_ecs_takes() -> None:
    labels = tuple((f"{'p' * 130}/{number}", "x" * 300) for number in range(60))

    tags = run_task(executor(1, labels=labels), SITE, LAUNCH)["tags"]

    assert len({each["key"] for each in tags}) == len(tags) <= 50
    assert all(len(each["key"]) <= 128 and len(each["value"]) <= 256 for each in tags)


MAIN = Container(name="main", image="busybox")
TASK = Task(uid="u", group="default", name="pod", containers=(MAIN,), cpu_milli=1000, memory_mib=2048)


def test_a_task_that_fargate_takes_as_it_is_needs_no_word() -> None:
    assert unhonoured(TASK) == []


def test_what_spark_asks_for_by_itself_in_each_pod_needs_no_word() -> None:
    of_spark = replace(TASK, labels=(("spark-role", "driver"),), containers=(replace(MAIN, no_new_privileges=True),))

    assert unhonoured(of_spark) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"memory_mib": 2100}, "rounded up to 1 vCPU and 3072Mi"),
        ({"containers": (replace(MAIN, gpus=1),)}, "GPUs"),
        ({"containers": (replace(MAIN, privileged=True),)}, "no further privileges"),
        ({"containers": (replace(MAIN, add_capabilities=("SYS_PTRACE",)),)}, "no further privileges"),
        ({"containers": (replace(MAIN, no_new_privileges=True),)}, "allowPrivilegeEscalation"),
        ({"volumes": (Volume("data", "named"),)}, "claims are scratch space"),
        ({"logins": (RegistryLogin("r", "me", "x"),)}, "imagePullSecrets"),
        ({"host_entries": (("10.0.0.1", "driver"),)}, "do not resolve on Fargate: driver"),
    ],
)
def test_what_it_takes_in_another_way_or_not_is_said(changed: dict[str, object], words: str) -> None:
    (said,) = unhonoured(replace(TASK, **changed))  # type: ignore[arg-type]  # fields of Task by name

    assert words in said
