"""What a job asks for is in its objects: secrets, templates, retries, archives, files that are fetched."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import javaproperties
import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.dynamodb.compression import compressed
from chalicelib.storage.dynamodb.item import BODY_BYTES
from sparkanywhere.jobs.applications import group
from sparkanywhere.jobs.job_files import CARRIED_PATH, FETCHED_PATH, MAX_CARRIED_BYTES, Fetched, sort_files
from sparkanywhere.jobs.objects import Objects, build, owned_by, resource_name
from sparkanywhere.jobs.spec import JobSpec, SpecError

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
LONGEST_PREFIX = 47  # of executors' names, by Spark's own check


def objects(fetched: tuple[Fetched, ...] = (), **wanted: Any) -> Objects:  # Any: fields of a JobSpec
    return build(
        JobSpec(**{"application": "local:///a.py", **wanted}), suffix="0123456789", user="ana", fetched=fetched
    )


def container(made: Objects) -> JSON:
    found: JSON = made.driver["spec"]["containers"][0]
    return found


def properties(made: Objects) -> dict[str, str]:
    text = made.owned[0][1]["data"]["spark.properties"]
    return javaproperties.loads(text)


def option(made: Objects, name: str) -> str:
    args = container(made)["args"]
    return str(args[args.index(name) + 1])


def test_secrets_reach_driver_and_executors() -> None:
    made = objects(secrets={"db": "/etc/db"}, secret_env={"PASSWORD": "db:password"})

    mount = next(each for each in container(made)["volumeMounts"] if each["mountPath"] == "/etc/db")
    volume = next(each for each in made.driver["spec"]["volumes"] if each["name"] == mount["name"])
    variable = next(each for each in container(made)["env"] if each["name"] == "PASSWORD")
    assert volume["secret"] == {"secretName": "db"}
    assert variable["valueFrom"] == {"secretKeyRef": {"name": "db", "key": "password"}}
    assert properties(made)["spark.kubernetes.executor.secrets.db"] == "/etc/db"
    assert properties(made)["spark.kubernetes.executor.secretKeyRef.PASSWORD"] == "db:password"


def test_driver_settings_of_spark_submit_shape_the_pod() -> None:
    made = objects(
        conf={
            "spark.kubernetes.driver.label.team": "data",
            "spark.kubernetes.driver.annotation.note": "x",
            "spark.kubernetes.driverEnv.A": "1",
            "spark.kubernetes.driver.secretKeyRef.B": "s:k",
            "spark.kubernetes.driver.node.selector.zone": "a",
            "spark.kubernetes.driver.request.cores": "250m",
            "spark.kubernetes.driver.limit.cores": "2",
            "spark.kubernetes.memoryOverheadFactor": "0.5",
        }
    )

    metadata, spec = made.driver["metadata"], made.driver["spec"]
    env = {each["name"]: each.get("value") for each in container(made)["env"]}
    assert (metadata["labels"]["team"], metadata["annotations"]["note"]) == ("data", "x")
    assert (env["A"], "B" in env, spec["nodeSelector"]) == ("1", True, {"zone": "a"})
    assert container(made)["resources"] == {
        "limits": {"memory": "1536Mi", "cpu": "2"},
        "requests": {"memory": "1536Mi", "cpu": "250m"},
    }


def test_archives_keep_the_name_they_are_unpacked_under(tmp_path: Path) -> None:
    path = tmp_path / "my env.tar.gz"
    path.write_bytes(b"x")

    made = objects(archives=(f"{path}#env", "local:///b.zip#b"))

    assert option(made, "--archives") == f"file://{CARRIED_PATH}/my%20env.tar.gz#env,local:///b.zip#b"


def test_the_smallest_files_travel_with_the_job_and_the_others_are_staged(tmp_path: Path) -> None:
    sizes = {"a": 10, "b": MAX_CARRIED_BYTES, "c": 20}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    named = [str(tmp_path / name) for name in sizes]

    found = sort_files([*named, named[0], "s3://bucket/key", "local:///x", "https://host/y"])

    assert found.carried == (named[0], named[2])
    assert found.staged == (named[1],)
    assert found.objects == ("s3://bucket/key",)


def test_what_travels_with_the_job_fits_every_store_though_it_does_not_shrink(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number:090}.bin" for number in range(1000)]
    for path in paths:
        path.write_bytes(os.urandom(MAX_CARRIED_BYTES // len(paths)))

    made = objects(files=tuple(str(path) for path in paths))

    (files,) = (obj for _, obj in made.owned if len(obj.get("binaryData", {})) == len(paths))
    assert len(compressed(json.dumps(files))) < BODY_BYTES


def test_what_is_fetched_is_listed_in_a_secret_and_named_to_spark() -> None:
    fetched = (
        Fetched("s3://bucket/jobs/a.py", "https://host/signed?x=1", 12),
        Fetched("big.zip", "https://plane/file", 99, "ab" * 32, "PEM", is_staged=True),
    )

    made = objects(fetched, application="s3://bucket/jobs/a.py", jars=("local:///b.jar",))

    (init,) = made.driver["spec"]["initContainers"]
    kind, secret = made.owned[-1]
    lines = base64.b64decode(secret["data"]["list"]).decode().splitlines()
    assert (init["image"], kind) == (container(made)["image"], "secrets")
    assert lines == ["- 12 - https://host/signed?x=1 a.py", f"{'ab' * 32} 99 own https://plane/file big.zip"]
    assert base64.b64decode(secret["data"]["ca.pem"]) == b"PEM"
    assert container(made)["args"][-1] == f"file://{FETCHED_PATH}/a.py"
    assert made.driver["metadata"]["annotations"]["sparkanywhere.io/staged-files"] == "ab" * 32
    assert "https" not in str(made.driver)  # addresses are secrets


def test_executors_get_the_programs_own_jar_before_the_others() -> None:
    made = objects(application="local:///a.jar", main_class="A", jars=("local:///b.jar",))

    args = container(made)["args"]
    assert args[args.index("--jars") + 1] == "local:///a.jar,local:///b.jar"
    assert "--jars" not in container(objects(application="local:///a.py"))["args"]


def test_without_files_to_fetch_there_is_no_init_container() -> None:
    assert "initContainers" not in objects().driver["spec"]


TEMPLATE = """
apiVersion: v1
kind: Pod
metadata: {labels: {team: data, spark-role: other}, annotations: {a: b}}
spec:
  tolerations: [{key: k, operator: Exists}]
  volumes: [{name: mine, emptyDir: {}}]
  nodeSelector: {disk: ssd}
  containers:
  - name: sidecar
    image: proxy
  - name: main
    image: ignored
    env: [{name: MINE, value: "1"}]
    volumeMounts: [{name: mine, mountPath: /mine}]
    resources: {limits: {nvidia.com/gpu: 1, memory: 1Mi}}
    securityContext: {runAsUser: 185}
"""


def test_a_driver_template_has_what_spark_needs_laid_over_it(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(TEMPLATE)

    made = objects(
        driver_template=str(path), conf={"spark.kubernetes.driver.podTemplateContainerName": "main"}, arch="arm64"
    )

    metadata, spec = made.driver["metadata"], made.driver["spec"]
    main, sidecar = spec["containers"]
    assert (metadata["labels"]["team"], metadata["labels"]["spark-role"]) == ("data", "driver")
    assert metadata["annotations"] == {"a": "b"}
    assert spec["tolerations"] == [{"key": "k", "operator": "Exists"}]
    assert spec["nodeSelector"] == {"disk": "ssd", "kubernetes.io/arch": "arm64"}
    assert {"mine", "spark-conf-volume-driver"} <= {each["name"] for each in spec["volumes"]}
    assert (sidecar["image"], main["name"]) == ("proxy", "spark-kubernetes-driver")
    assert main["image"] == "sparkanywhere/spark:4.3.0"
    assert main["securityContext"] == {"runAsUser": 185, "allowPrivilegeEscalation": False}
    assert {"MINE", "SPARK_USER"} <= {each["name"] for each in main["env"]}
    assert main["resources"]["limits"] == {"nvidia.com/gpu": 1, "memory": "1433Mi"}


def test_an_executor_template_is_where_sparks_driver_looks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(TEMPLATE)

    made = objects(executor_template=str(path))

    told = properties(made)["spark.kubernetes.executor.podTemplateFile"]
    folder, _, name = told.rpartition("/")
    assert folder in [each["mountPath"] for each in container(made)["volumeMounts"]]
    assert made.owned[-1][1]["data"][name] == TEMPLATE


def of_executors(made: Objects) -> JSON:
    """Return the template of executors' pods."""
    (data,) = (each["data"] for _, each in made.owned if each["metadata"]["name"].endswith("-podspec"))
    found: JSON = json.loads(data["pod-spec-template.yml"])
    return found


def test_jars_of_the_class_path_are_in_place_before_executors_start(tmp_path: Path) -> None:
    small, large, data = (tmp_path / each for each in ("small.jar", "large.jar", "data.bin"))
    small.write_bytes(EMPTY_ZIP)
    large.write_bytes(bytes(MAX_CARRIED_BYTES) + EMPTY_ZIP)
    data.write_bytes(bytes(MAX_CARRIED_BYTES + 1))
    fetched = tuple(Fetched(str(each), f"https://x/{each.name}") for each in (large, data))

    made = objects(fetched, class_path=(str(small), str(large)), files=(str(data),), driver_class_path="/d")

    places = f"{CARRIED_PATH}/small.jar:{FETCHED_PATH}/large.jar"
    assert properties(made)["spark.executor.extraClassPath"] == places
    assert properties(made)["spark.driver.extraClassPath"] == f"/d:{places}"
    assert "--jars" not in container(made)["args"]
    pod, template = of_executors(made)["spec"], properties(made)["spark.kubernetes.executor.podTemplateFile"]
    assert template.rpartition("/")[0] in [each["mountPath"] for each in container(made)["volumeMounts"]]
    assert {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]} == {CARRIED_PATH, FETCHED_PATH}
    (before,) = pod["initContainers"]
    assert {each["name"] for each in before["volumeMounts"]} < {each["name"] for each in pod["volumes"]}
    secrets = {each["metadata"]["name"]: each["data"] for collection, each in made.owned if collection == "secrets"}
    (name,) = (each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each)
    assert base64.b64decode(secrets[name]["list"]).decode() == "- 0 - https://x/large.jar large.jar\n"


def test_jars_of_the_class_path_go_with_the_users_own_template(tmp_path: Path) -> None:
    jar, path = tmp_path / "small.jar", tmp_path / "pod.yaml"
    jar.write_bytes(EMPTY_ZIP)
    path.write_text(
        "metadata: {labels: {a: b}}\nspec: {containers: [{name: side}, {name: main, env: [{name: A, value: B}]}]}"
    )
    conf = {"spark.kubernetes.executor.podTemplateContainerName": "main", "spark.executor.extraClassPath": "/e"}

    made = objects(class_path=(str(jar),), executor_template=str(path), conf=conf)

    pod = of_executors(made)
    main, side = pod["spec"]["containers"]
    assert (pod["metadata"]["labels"], main["name"], side["name"]) == ({"a": "b"}, "main", "side")
    assert [each["mountPath"] for each in main["volumeMounts"]] == [CARRIED_PATH]
    assert properties(made)["spark.executor.extraClassPath"] == f"/e:{CARRIED_PATH}/small.jar"
    assert not pod["spec"]["initContainers"]


@pytest.mark.parametrize("text", ["- 1", "kind: Job", "{", "spec: {containers: [1]}"])
def test_a_template_that_is_none_is_said_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(text)

    with pytest.raises(SpecError, match="--driver-template"):
        objects(driver_template=str(path))


def test_a_job_that_may_fail_is_made_anew_by_a_kubernetes_job() -> None:
    made = objects(max_attempts=3, time_limit=600)

    assert made.collection == "/apis/batch/v1/namespaces/default/jobs"
    assert (made.main["kind"], made.main["spec"]["backoffLimit"]) == ("Job", 2)
    assert made.main["spec"]["activeDeadlineSeconds"] == 600
    assert "activeDeadlineSeconds" not in made.driver["spec"]
    args = container(made)["args"]
    for setting in ("spark.app.id", "spark.kubernetes.driver.pod.name", "spark.kubernetes.executor.podNamePrefix"):
        assert f"{setting}=$(SPARK_DRIVER_POD_NAME)" in args
    assert properties(made)["spark.kubernetes.executor.label.sparkanywhere.io/application"] == "spark-0123456789"
    stored = {**made.main, "metadata": {**made.main["metadata"], "uid": "u"}}
    assert owned_by(stored, made.owned[0][1])["metadata"]["ownerReferences"][0]["kind"] == "Job"


def test_a_job_that_runs_once_is_a_pod_as_spark_submit_makes_it() -> None:
    made = objects(time_limit=600)

    assert (made.collection, made.main["kind"]) == ("/api/v1/namespaces/default/pods", "Pod")
    assert made.driver["spec"]["activeDeadlineSeconds"] == 600
    assert "--conf" not in container(made)["args"]


@pytest.mark.parametrize("name", ["a", "x" * 200, "1" * 200, "A very Long name, with all sorts of Signs in it"])
def test_no_name_is_longer_than_spark_allows(name: str) -> None:
    prefix = resource_name(JobSpec(application="local:///a.py", name=name), "0123456789")
    attempt = f"{prefix}-abcde"  # as a Job names its pods

    assert len(attempt) <= LONGEST_PREFIX


def test_the_attempts_of_an_application_are_one() -> None:
    def pod(name: str, role: str, at: str, app_id: str) -> JSON:
        labels = {"spark-app-selector": app_id, "spark-role": role, "sparkanywhere.io/application": "spark-1"}
        owners = [{"kind": "Job", "name": "job"}] if role == "driver" else []
        metadata = {"name": name, "labels": labels, "creationTimestamp": at, "ownerReferences": owners}
        return {"metadata": metadata, "status": {"phase": "Failed" if name == "one" else "Running"}}

    (found,) = group(
        [
            pod("two", "driver", "2026-11-23T12:00:10Z", "spark-1"),
            pod("one", "driver", "2026-11-23T12:00:00Z", "spark-1"),
            pod("exec", "executor", "2026-11-23T12:00:12Z", "two"),
        ]
    )

    assert (found.id, found.driver_name, found.state, found.job_name) == ("spark-1", "two", "Running", "job")
    assert found.running_executors == 1


NAMES = ("données.csv", "a+b.txt", "x@y.json", "(1).cfg", "a b.txt", "a_b.txt", ".hidden", "a,b;c.txt", "日本.txt")


def test_files_are_called_in_the_pod_as_they_are_here(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_text(name)

    made = objects(files=tuple(str(tmp_path / name) for name in NAMES))

    volume = next(each for each in made.driver["spec"]["volumes"] if each["name"] == "files")["configMap"]
    contents = next(obj for kind, obj in made.owned if obj["metadata"]["name"] == volume["name"])["binaryData"]
    there = {each["path"]: base64.b64decode(contents[each["key"]]).decode() for each in volume["items"]}
    assert there == {name: name for name in NAMES}
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", key) and not key.startswith("..") for key in contents)
    named = option(made, "--files").split(",")
    assert [unquote(urlsplit(each).path) for each in named] == [f"{CARRIED_PATH}/{name}" for name in NAMES]


@pytest.mark.parametrize(
    "name", ["line\nend.txt", " blank.txt", "blank.txt ", "-dash.txt", "..dots", "{x}.txt", b"\xff.txt"]
)
def test_a_name_that_no_list_can_hold_is_refused(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / (name if isinstance(name, str) else os.fsdecode(name))
    path.write_text("x")

    with pytest.raises(SpecError, match="rename it"):
        objects(files=(str(path),))


def test_what_kubernetes_would_expand_is_kept_from_it() -> None:
    texts = ("$(HOME)", "$$(HOME)", "$$", "$HOME", "cost: 5$")

    made = objects(args=texts, env={f"A{number}": text for number, text in enumerate(texts)})

    env = {each["name"]: each.get("value") for each in container(made)["env"]}
    assert container(made)["args"][-len(texts) :] == ["$$(HOME)", "$$$$(HOME)", "$$$$", "$HOME", "cost: 5$"]
    assert [env["A0"], env["A3"]] == ["$$(HOME)", "$HOME"]
    assert properties(made)["spark.executorEnv.A0"] == "$(HOME)"  # Spark does it there


SETTINGS = ("", " x ", "a=b", "a:b", "#a", "!a", "\\", "a\nb", "a\r\nb", "é", "日本", "😀", "\t", "\x00\x1f")


@pytest.mark.parametrize("value", SETTINGS)
def test_settings_keep_their_text(value: str) -> None:
    made = objects(conf={"spark.a": value, f"spark.key {value}": "x"})

    found = properties(made)
    assert (found["spark.a"], found[f"spark.key {value}"]) == (value, "x")
