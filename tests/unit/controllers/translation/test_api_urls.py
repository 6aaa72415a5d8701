"""URLs of the API in what pods are told, where its names do not resolve."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.api_urls import rewritten_properties, rewritten_word
from tests.unit.controllers.builders import container, pod
from tests.unit.controllers.translation.builders import Objects, node, only, task_of

URL = "http://127.0.0.1:8001"


HOST = "kubernetes.default.svc"
USUAL = f"https://{HOST}"
OURS = f"k8s://{URL}"
KEY = "spark.kubernetes.driver.master"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"k8s://{USUAL}", OURS),
        (f"k8s://{USUAL}:443", OURS),
        (f"k8s://{HOST}", OURS),
        (f"k8s://{HOST}:443/", f"{OURS}/"),
        ("k8s://https://kubernetes.default", OURS),
        ("k8s://https://kubernetes:443", OURS),
        ("k8s://https://kubernetes.default.svc.cluster.local:443", OURS),
        (f"--master=k8s://{USUAL}", f"--master={OURS}"),
        (f"--master k8s://{USUAL} --name x", f"--master {OURS} --name x"),
        (f"x='k8s://{USUAL}', y=k8s://{USUAL}.", f"x='{OURS}', y={OURS}."),
        (f"spark.master=k8s://{USUAL}", f"spark.master={OURS}"),
        (f"{KEY}={USUAL}", f"{KEY}={URL}"),
        (f"--conf {KEY}={USUAL}:443 --conf a=b", f"--conf {KEY}={URL} --conf a=b"),
        (f"--conf={KEY}='{USUAL}'", f"--conf={KEY}='{URL}'"),
        (f"-Dspark.master=k8s://{USUAL} -Da=b", f"-Dspark.master={OURS} -Da=b"),
        (f"-D{KEY}={USUAL}", f"-D{KEY}={URL}"),
    ],
)
def test_words_of_spark_name_the_url_that_works(text: str, expected: str) -> None:
    assert rewritten_word(text, URL) == expected


@pytest.mark.parametrize(
    "text",
    [
        USUAL,
        f"{USUAL}:443/version",
        f"--issuer={USUAL}",
        f"iss={USUAL}.cluster.local",
        f"curl -k {USUAL}/api",
        f"my.spark.master={USUAL}",
        f"spark.master.url={USUAL}",
        f"-D{KEY}s={USUAL}",
        f"xk8s://{USUAL}",
        f"http://{HOST}",
        f"k8s://http://{HOST}",
        HOST,
        "k8s://https://kubernetes.io/docs",
        "k8s://https://kubernetes-dashboard",
        f"k8s://{USUAL}.cluster.local.example.com",
        f"k8s://{USUAL}:6443",
        f"k8s://{USUAL}:4431",
        "k8s://https://my.kubernetes.default.svc",
        "k8s://https://example.com/kubernetes",
    ],
)
def test_other_words_stay_as_they_are(text: str) -> None:
    assert rewritten_word(text, URL) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rf"spark.master=k8s\://https\://{HOST}\:443", r"spark.master=k8s\://http\://127.0.0.1\:8001"),
        (rf"{KEY}=https\://{HOST}", rf"{KEY}=http\://127.0.0.1\:8001"),
        (f"  {KEY} : {USUAL}", f"  {KEY} : {URL}"),
        (f"spark.master   k8s://{USUAL}", f"spark.master   {OURS}"),
        (f"a=b\\\\\n{KEY}={USUAL}\nc=d\n", f"a=b\\\\\n{KEY}={URL}\nc=d\n"),
        (f"a=b\\\n{KEY}={USUAL}", None),
        (f"#{KEY}={USUAL}", None),
        (f"{KEY}=\n{USUAL}", None),
        (f"my.issuer={USUAL}", None),
        (f"my.url=k8s://{USUAL}", None),
        (f"{KEY}=https://{HOST}:6443", None),
    ],
)
def test_properties_of_spark_name_the_url_that_works(text: str, expected: str | None) -> None:
    assert rewritten_properties(text, URL) == (text if expected is None else expected)


@pytest.mark.parametrize(("url", "expected"), [(URL, OURS), ("", f"k8s://{USUAL}")])
def test_a_pod_is_told_the_url_that_works_everywhere(url: str, expected: str) -> None:
    master = f"k8s://{USUAL}"
    fields: Any = {"command": [master], "args": [master], "env": [{"name": "MASTER", "value": master}]}
    volumes = [{"name": "conf", "configMap": {"name": "conf"}}]
    obj = pod(containers=[container(**fields, volumeMounts=[{"name": "conf", "mountPath": "/c"}])], volumes=volumes)
    conf: JSON = {"data": {"spark.properties": f"spark.master={master}"}}

    task = task_of(obj, node(lookup=Objects({("configmaps", "conf"): conf}), api_url=lambda: url))

    found = only(task)
    assert (found.command, found.args, dict(found.env)) == ((expected,), (expected,), {"MASTER": expected})
    assert [file.content for file in task.volumes[0].files] == [f"spark.master={expected}".encode()]


@pytest.mark.parametrize("kind", ["configMap", "secret", "binary"])
def test_files_that_spark_did_not_write_stay_as_they_are(kind: str) -> None:
    text = f"{KEY}={USUAL}\n".encode()
    names = ["spark.properties"] if kind != "configMap" else ["app.conf", "spark-defaults.conf", "ca.jks"]
    content = b"\xff\xfe" + b"\n" + text if kind == "binary" else text
    data = {name: base64.b64encode(content).decode() for name in names}
    source: JSON = {"secret": {"secretName": "it"}} if kind == "secret" else {"configMap": {"name": "it"}}
    mounts = [{"name": "it", "mountPath": "/c"}]
    obj = pod(containers=[container(volumeMounts=mounts)], volumes=[{"name": "it", **source}])
    stored: JSON = {"data" if kind == "secret" else "binaryData": data}
    lookup = Objects({("secrets" if kind == "secret" else "configmaps", "it"): stored})

    task = task_of(obj, node(lookup=lookup, api_url=lambda: URL))

    assert {file.path: file.content for file in task.volumes[0].files} == dict.fromkeys(names, content)
