"""URLs of the API in what pods are told, where its names do not resolve."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.api_urls import rewritten
from tests.unit.controllers.builders import container, pod
from tests.unit.controllers.translation.builders import Objects, node, only, task_of

URL = "http://127.0.0.1:8001"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://kubernetes.default.svc", URL),
        ("https://kubernetes.default.svc.cluster.local:443", URL),
        ("https://kubernetes.default/api", f"{URL}/api"),
        ("https://kubernetes:443/version?x", f"{URL}/version?x"),
        ("k8s://https://kubernetes.default.svc:443", f"k8s://{URL}"),
        ("k8s://kubernetes.default.svc", f"k8s://{URL}"),
        ("k8s://kubernetes.default.svc:443", f"k8s://{URL}"),
        ("x=https://kubernetes.default.svc, y=https://kubernetes.default.svc.", f"x={URL}, y={URL}."),
        (r"master=k8s\://https\://kubernetes.default.svc\:443", r"master=k8s\://http\://127.0.0.1\:8001"),
        (r"master=https\://kubernetes.default.svc", r"master=http\://127.0.0.1\:8001"),
        ("https://kubernetes.io/docs", None),
        ("https://kubernetes-dashboard", None),
        ("https://kubernetes.default.svc.cluster.local.example.com", None),
        ("https://kubernetes.default.svc:6443", None),
        ("https://kubernetes.default.svc:4431", None),
        ("https://my.kubernetes.default.svc", None),
        ("http://kubernetes.default.svc", None),
        ("kubernetes.default.svc", None),
        ("https://example.com/kubernetes", None),
    ],
)
def test_urls(text: str, expected: str | None) -> None:
    assert rewritten(text, URL) == (text if expected is None else expected)


@pytest.mark.parametrize(("url", "expected"), [(URL, f"k8s://{URL}"), ("", "k8s://https://kubernetes.default.svc")])
def test_a_pod_is_told_the_url_that_works_everywhere(url: str, expected: str) -> None:
    master = "k8s://https://kubernetes.default.svc"
    fields: Any = {"command": [master], "args": [master], "env": [{"name": "MASTER", "value": master}]}
    volumes = [{"name": "conf", "configMap": {"name": "conf"}}]
    obj = pod(containers=[container(**fields, volumeMounts=[{"name": "conf", "mountPath": "/c"}])], volumes=volumes)
    conf: JSON = {"data": {"f": master}, "binaryData": {"b": "//9rdWJlcm5ldGVz"}}

    task = task_of(obj, node(lookup=Objects({("configmaps", "conf"): conf}), api_url=lambda: url))

    found = only(task)
    assert (found.command, found.args, dict(found.env)) == ((expected,), (expected,), {"MASTER": expected})
    contents = {file.path: file.content for file in task.volumes[0].files}
    assert contents == {"f": expected.encode(), "b": b"\xff\xffkubernetes"}
