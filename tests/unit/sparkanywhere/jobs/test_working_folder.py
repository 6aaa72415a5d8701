"""A job works in its caller's folder where its pods see it, and leaves the files there alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import javaproperties
import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.shared_folders import SHARED_FOLDERS, file_system
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.submission import submit
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient

PODS, CONFIG_MAPS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/configmaps"
OPTIONS = "spark.driver.extraJavaOptions="


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the caller's folder, which holds a program, a module, data and an archive."""
    folder = tmp_path / "my jöb"
    (folder / "lib").mkdir(parents=True)
    for name in ("etl.py", "lib/helper.py", "in.csv", "env.zip"):
        (folder / name).write_text("1\n")
    (tmp_path / "beside.csv").write_text("1\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    return folder


def share(kube: InProcessClient, *paths: str, **told: Any) -> None:
    """Make a node that says what its pods see of this machine."""
    said = {"paths": paths, "user": "", "is_mounted": False, "file_system": file_system(), **told}
    metadata = {"name": "node", "annotations": {SHARED_FOLDERS: json.dumps(said)}}
    kube.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})


def submitted(kube: InProcessClient, folder: Path, said: list[str] | None = None, **wanted: Any) -> JSON:
    """Return the driver's pod of a job that was submitted from a folder; what was said is added to `said`."""
    spec = JobSpec(**{"application": "etl.py", **wanted})
    lines = [] if said is None else said
    found: JSON = kube.get(submit(kube, spec, suffix="0a", say=lines.append, folder=str(folder)).path)
    return found


def container(pod: JSON) -> JSON:
    found: JSON = pod["spec"]["containers"][0]
    return found


def properties(kube: InProcessClient) -> dict[str, str]:
    text = kube.get(f"{CONFIG_MAPS}/etl-0a-conf-map")["data"]["spark.properties"]
    return javaproperties.loads(text)


def environment(pod: JSON) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(pod)["env"] if "value" in each}


def test_where_pods_see_everything_the_program_runs_from_where_it_lies(kube: InProcessClient, here: Path) -> None:
    share(kube, "/")

    pod = submitted(kube, here, args=("in.csv", "out.parquet"))

    assert container(pod)["workingDir"] == str(here)
    assert container(pod)["args"][-3:] == [f"file://{here.parent}/my%20j%C3%B6b/etl.py", "in.csv", "out.parquet"]
    assert environment(pod)["PYTHONPATH"] == str(here)
    assert environment(pod)["LANG"] == "C.UTF-8"
    assert properties(kube)["spark.executorEnv.PYTHONPATH"] == str(here)
    assert properties(kube)["spark.app.name"] == "etl"
    assert properties(kube)["spark.sql.warehouse.dir"] == f"file:{here}/spark-warehouse"
    assert "securityContext" not in pod["spec"] or not pod["spec"]["securityContext"]


def test_lists_of_files_do_not_reach_sparksubmit_which_would_overwrite_the_users(
    kube: InProcessClient, here: Path
) -> None:
    share(kube, "/")
    lists: dict[str, Any] = {"files": ("in.csv",), "py_files": ("lib/helper.py",)}

    pod = submitted(kube, here, **lists, driver_java_options="-Xss4m", args=("--files", "own"))

    args = container(pod)["args"]
    before_the_program = args[: args.index("--class")]
    assert "--files" not in before_the_program
    assert "--py-files" not in before_the_program
    assert args[-2:] == ["--files", "own"]
    base = f"file://{here.parent}/my%20j%C3%B6b"
    (options,) = [each.removeprefix(OPTIONS) for each in args if each.startswith(OPTIONS)]
    assert options.split() == [
        "-Xss4m",
        f"-Dspark.files={base}/in.csv,{base}/lib/helper.py",
        f"-Dspark.submit.pyFiles={base}/lib/helper.py",
    ]
    assert environment(pod)["PYTHONPATH"].split(":") == [f"{here}/lib", str(here)]


def test_a_folder_that_pods_must_mount_is_mounted_and_its_files_belong_to_its_user(
    kube: InProcessClient, here: Path
) -> None:
    share(kube, str(here.parent), user="1000:0", is_mounted=True)

    pod = submitted(kube, here)

    (volume,) = [each for each in pod["spec"]["volumes"] if "hostPath" in each]
    assert volume["hostPath"]["path"] == str(here)
    assert {"name": volume["name"], "mountPath": str(here)} in container(pod)["volumeMounts"]
    assert pod["spec"]["securityContext"] == {"runAsUser": 1000, "runAsGroup": 0}
    settings = properties(kube)
    mounted = {key: text for key, text in settings.items() if ".executor.volumes.hostPath." in key}
    assert list(mounted.values()) == [str(here), str(here)]
    template = kube.get(f"{CONFIG_MAPS}/etl-0a-podspec")["data"]["pod-spec-template.yml"]
    assert "runAsUser: 1000" in template
    template_file = "/opt/spark/pod-template/pod-spec-template.yml"
    assert f"spark.kubernetes.executor.podTemplateFile={template_file}" in container(pod)["args"]


def test_templates_of_the_users_own_are_kept(kube: InProcessClient, here: Path) -> None:
    share(kube, str(here), user="1000:0", is_mounted=True)
    own = {"spec": {"containers": [{"name": "x", "env": [{"name": "A", "value": "1"}]}], "priority": 1}}
    (here / "executor.yaml").write_text(json.dumps(own))
    (here / "driver.yaml").write_text(json.dumps({"spec": {"containers": [{"name": "x", "workingDir": "/mine"}]}}))

    submitted(kube, here, executor_template="executor.yaml")
    template = kube.get(f"{CONFIG_MAPS}/etl-0a-podspec")["data"]["pod-spec-template.yml"]
    assert "priority: 1" in template
    assert "name: A" in template
    assert "runAsUser: 1000" in template

    kube.delete(f"{PODS}/etl-0a-driver", gracePeriodSeconds="0")
    for kind in ("configmaps", "services"):
        kube.delete(f"/api/v1/namespaces/default/{kind}")
    assert container(submitted(kube, here, driver_template="driver.yaml"))["workingDir"] == "/mine"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"file_system": "another"}, "another machine"),
        ({"paths": ["/somewhere"], "is_mounted": True}, "another folder"),
        ({"paths": None}, "broken"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_elsewhere_the_program_keeps_its_pods_folder_and_files_are_brought(
    kube: InProcessClient, here: Path, told: dict[str, Any], why: str
) -> None:
    share(kube, "/", **told)
    said: list[str] = []

    pod = submitted(kube, here, said, args=("in.csv", "out/x.parquet", "--day", "7", "s3a://b/x.csv"))

    assert "workingDir" not in container(pod), why
    assert container(pod)["args"][-6].startswith("file:///opt/sparkanywhere/files/")
    assert len(said) == 2
    assert "in.csv is on this machine" in said[0]
    assert "--files in.csv" in said[0]
    assert "out/x.parquet is a path in the driver's pod" in said[1]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"archives": ("env.zip",)}, "--archives"),
        ({"spark": "3.5.9", "packages": ("a:b:1",)}, "Spark 3.5.9 copies jars"),
    ],
)
def test_what_spark_copies_to_where_it_starts_keeps_it_out_of_the_users_folder(
    kube: InProcessClient, here: Path, wanted: dict[str, Any], why: str
) -> None:
    share(kube, "/")
    said: list[str] = []

    assert "workingDir" not in container(submitted(kube, here, said, **wanted))
    assert why in said[-1]


def test_a_file_outside_of_a_mounted_folder_is_told(kube: InProcessClient, here: Path) -> None:
    share(kube, str(here), user="0:0", is_mounted=True)
    said: list[str] = []

    submitted(kube, here, said, args=("../beside.csv", "in.csv", "out.parquet"))

    assert len(said) == 1
    assert said[0].startswith("../beside.csv lies outside of ")


def test_spark_is_told_to_copy_no_jars_into_the_folder(kube: InProcessClient, here: Path) -> None:
    share(kube, "/")

    submitted(kube, here, packages=("a:b:1",))

    assert properties(kube)["spark.kubernetes.jars.avoidDownloadSchemes"] == "file,local"


def test_a_link_out_of_a_mounted_folder_is_brought(kube: InProcessClient, here: Path) -> None:
    share(kube, str(here), user="0:0", is_mounted=True)
    os.symlink(here.parent / "beside.csv", here / "linked.py")

    pod = submitted(kube, here, application="linked.py", name="etl")

    assert container(pod)["args"][-1] == "file:///opt/sparkanywhere/files/linked.py"
