"""Tasks become container groups that Microsoft's own API description takes."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.providers.azure import group, start
from chalicelib.providers.azure.group import Site
from chalicelib.providers.base import ADDRESS, Container, File, Mount, RegistryLogin, Task, TaskRejected, Volume
from tests.azure_box.box import SUBNET
from tests.azure_box.description import complaints

IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
SITE = Site(instance="default", location="westeurope", subnet=SUBNET, identity=IDENTITY, registry="r.azurecr.io")
MAIN = Container(
    name="spark-kubernetes-driver",
    image="r.azurecr.io/spark:4.3.0",
    args=("driver", "--properties-file", "/opt/spark/conf/spark.properties"),
    env=(("PASSWORD", "secret"), ("SPARK_DRIVER_BIND_ADDRESS", ADDRESS)),
    mounts=(Mount("conf", "/opt/spark/conf"), Mount("spark-local-dir-1", "/var/data")),
    memory_mib=1408,
    ports=(7078, 7079, 4040),
    user="185",
)
TASK = Task(
    uid="0F8FAD5B-D9CB-469F-A165-70867728950E",
    group="default",
    name="pi-driver",
    containers=(replace(MAIN, name="fetch", init=True, ports=(), args=("fetch",)), MAIN),
    volumes=(Volume("conf", "files", (File("spark.properties", b"a=b"),)), Volume("spark-local-dir-1", "scratch")),
    cpu_milli=1000,
    memory_mib=1408,
    labels=(("spark-role", "driver"), ("example.com/team", "data")),
    logins=(RegistryLogin("docker.io", "user", "password"),),
)


def body(task: Task = TASK, site: Site = SITE) -> dict[str, Any]:
    made = group.body(task, site)
    assert complaints(made) == []
    return made


def test_a_driver_is_a_group_that_the_description_takes() -> None:
    made = body()["properties"]

    assert made["ipAddress"]["ports"] == [{"protocol": "TCP", "port": port} for port in (7078, 7079, 4040)]
    assert made["volumes"][0] == {"name": "conf", "secret": {"spark.properties": base64.b64encode(b"a=b").decode()}}
    (main,) = made["containers"]
    assert main["properties"]["resources"] == {"requests": {"cpu": 1.0, "memoryInGB": 1.5}}
    assert main["properties"]["securityContext"] == {"runAsUser": 185}
    assert made["imageRegistryCredentials"][-1] == {"server": "r.azurecr.io", "identity": IDENTITY}


def test_the_same_task_has_the_same_name_and_body_and_another_attempt_another_name() -> None:
    assert group.body(TASK, SITE) == group.body(TASK, SITE)
    assert group.name_of(TASK) == "sa-0f8fad5b-d9cb-469f-a165-70867728950e-0"
    assert group.name_of(replace(TASK, attempt=1)).endswith("-1")


def test_no_value_of_a_variable_can_be_read_again() -> None:
    variables = body()["properties"]["containers"][0]["properties"]["environmentVariables"]

    assert {each["name"] for each in variables if "value" in each} == {start.ADDRESSED}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"placement": (("sparkanywhere.io/capacity-type", "spot"),)}, "SpotNotInNetwork"),
        ({"placement": (("kubernetes.io/arch", "arm64"),)}, "NodeAffinity"),
        ({"cpu_milli": 32_000}, "OutOfResources"),
        ({"disk_gib": 51}, "OutOfDisk"),
        ({"volumes": (*TASK.volumes, Volume("host", "host", source="/data"))}, "UnsupportedVolume"),
        ({"containers": (replace(MAIN, mounts=(Mount("conf", "/c", sub_path="x"),)),)}, "SubPathNotSupported"),
    ],
)
def test_what_no_group_can_be_is_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(TaskRejected) as refused:
        group.body(replace(TASK, **changed), SITE)

    assert refused.value.reason == reason
    with pytest.raises(TaskRejected):
        group.unhonoured(replace(TASK, **changed), SITE)


def test_what_is_left_out_is_said() -> None:
    asks = replace(MAIN, gpus=1, read_only_root=True, ports=(1, 2, 3, 4, 5, 6))
    sidecar = replace(MAIN, name="sidecar", restart="always", ports=())
    odd = replace(
        TASK,
        containers=(asks, sidecar),
        volumes=(*TASK.volumes, Volume("claim", "named"), Volume("ram", "memory")),
        host_entries=(("10.0.0.1", "service"),),
    )

    told = " ".join(group.unhonoured(odd, SITE))

    body(odd)
    assert all(word in told for word in ("GPUs", "restarted", "claims", "memory", "root", "5 ports", "service"))
    assert len(group.unhonoured(TASK, SITE)) == 1  # rounded up


def test_files_that_a_secret_cannot_hold_are_laid_out_by_a_first_container(tmp_path: Path) -> None:
    files = (File("folder/run.sh", b"#!/bin/sh\n", 0o755), File("it's", f"host={ADDRESS}".encode()))
    made = body(replace(TASK, volumes=(Volume("conf", "files", files), TASK.volumes[1])))["properties"]
    first = made["initContainers"][0]
    secret = next(each["secret"] for each in made["volumes"] if each["name"] == "conf-files")
    (tmp_path / "sources" / "conf").mkdir(parents=True)
    for name, text in secret.items():
        (tmp_path / "sources" / "conf" / name).write_bytes(base64.b64decode(text))
    script = first["properties"]["command"][2]
    script = script.replace(start.SOURCES, str(tmp_path / "sources")).replace(start.TARGETS, str(tmp_path / "targets"))

    subprocess.run(["sh", "-c", script], check=True, timeout=10)

    assert (tmp_path / "targets" / "conf" / "folder" / "run.sh").stat().st_mode & 0o777 == 0o755
    text = (tmp_path / "targets" / "conf" / "it's").read_text()
    assert text.startswith("host=")
    assert ADDRESS not in text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda made: made["properties"].update(provisioningState="Succeeded"), "read-only"),
        (lambda made: made["properties"].update(restartpolicy="Never"), "no such field"),
        (lambda made: made["properties"].pop("osType"), "required"),
        (lambda made: made["properties"].update(restartPolicy="Sometimes"), "none of its values"),
        (
            lambda made: made["properties"]["containers"][0]["properties"]["resources"]["requests"].update(cpu="1"),
            "type",
        ),
        (lambda made: made["properties"]["ipAddress"].update(type="Public"), "private"),
        (lambda made: made["properties"]["volumes"][0].update(emptyDir={}), "kind"),
    ],
)
def test_the_box_is_strict(change: Any, word: str) -> None:
    made = group.body(TASK, SITE)
    change(made)

    assert any(word in each for each in complaints(made))
