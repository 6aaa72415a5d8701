"""Volumes, mounts and tokens, as a kubelet makes them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import PodRejected, TokenRequest
from chalicelib.controllers.runtime.objects import Lookup
from chalicelib.controllers.translation.task import translate
from chalicelib.providers.base import File, Mount, Volume
from tests.unit.controllers.builders import UID, container, pod
from tests.unit.controllers.translation.builders import asking, missing_of, node, only, task_of


def volume_of(mount: JSON | None = None, **source: Any) -> Volume:  # Any: one volume source
    obj = pod(containers=[container(volumeMounts=[{"name": "v", "mountPath": "/m", **(mount or {})}])])
    obj["spec"]["volumes"] = [{"name": "v", **source}]
    (found,) = task_of(obj).volumes
    return found


VOLUMES: list[tuple[str, JSON, Volume]] = [
    (
        "configmap",
        {"configMap": {"name": "settings", "defaultMode": 0o400}},
        Volume("v", "files", files=(File("A", b"1", 0o400), File("B", b"2", 0o400), File("BIN", b"\0\1", 0o400))),
    ),
    (
        "configmap items",
        {"configMap": {"name": "settings", "items": [{"key": "A", "path": "d/a", "mode": 0o600}]}},
        Volume("v", "files", files=(File("d/a", b"1", 0o600),)),
    ),
    (
        "secret",
        {"secret": {"secretName": "keys", "items": [{"key": "USER", "path": "user"}]}},
        Volume("v", "files", files=(File("user", b"me", 0o644),)),
    ),
    ("optional configmap", {"configMap": {"name": "absent", "optional": True}}, Volume("v", "files")),
    (
        "optional key",
        {"configMap": {"name": "settings", "optional": True, "items": [{"key": "Z", "path": "z"}]}},
        Volume("v", "files"),
    ),
    (
        "downward API",
        {
            "downwardAPI": {
                "items": [
                    {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
                    {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "requests.cpu"}},
                ]
            }
        },
        Volume("v", "files", files=(File("name", b"a"), File("cpu", b"0"))),
    ),
    (
        "projected",
        {
            "projected": {
                "defaultMode": 0o440,
                "sources": [
                    {"configMap": {"name": "settings", "items": [{"key": "A", "path": "x"}]}},
                    {"secret": {"name": "keys", "items": [{"key": "USER", "path": "y"}]}},
                    {"downwardAPI": {"items": [{"path": "x", "fieldRef": {"fieldPath": "metadata.uid"}}]}},
                ],
            }
        },
        Volume("v", "files", files=(File("x", UID.encode(), 0o440), File("y", b"me", 0o440))),
    ),
    ("emptyDir", {"emptyDir": {}}, Volume("v", "scratch")),
    ("emptyDir with a size", {"emptyDir": {"sizeLimit": "1Gi"}}, Volume("v", "scratch", size_mib=1024)),
    ("emptyDir in memory", {"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}, Volume("v", "memory", size_mib=64)),
    ("hostPath", {"hostPath": {"path": "/data", "type": ""}}, Volume("v", "host", source="/data")),
    (
        "claim",
        {"persistentVolumeClaim": {"claimName": "data"}},
        Volume("v", "named", source="uid-of-data", size_mib=10240),
    ),
    (
        "ephemeral claim",
        {"ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}}},
        Volume("v", "scratch", size_mib=1024),
    ),
]


@pytest.mark.parametrize(("source", "expected"), [v[1:] for v in VOLUMES], ids=[v[0] for v in VOLUMES])
def test_volume(source: JSON, expected: Volume) -> None:
    assert volume_of(**source) == expected


def test_labels_and_annotations_as_files() -> None:
    items = [{"path": kind, "fieldRef": {"fieldPath": f"metadata.{kind}"}} for kind in ("labels", "annotations")]
    obj = pod(
        metadata={"labels": {"b": "2", "a": "1"}, "annotations": {"note": 'say "hi"\n'}},
        containers=[container(volumeMounts=[{"name": "v", "mountPath": "/m"}])],
        volumes=[{"name": "v", "downwardAPI": {"items": items}}],
    )

    labels, annotations = task_of(obj).volumes[0].files

    assert labels.content == b'a="1"\nb="2"'
    assert annotations.content == rb'note="say \"hi\"\n"'


MISSING_VOLUMES = [
    ({"configMap": {"name": "no"}}, "FailedMount", 'configmap "no" not found'),
    ({"secret": {"secretName": "no"}}, "FailedMount", 'secret "no" not found'),
    (
        {"configMap": {"name": "settings", "items": [{"key": "Z", "path": "z"}]}},
        "FailedMount",
        "configmap references non-existent config key: Z",
    ),
    (
        {"secret": {"secretName": "keys", "items": [{"key": "Z", "path": "z"}]}},
        "FailedMount",
        "references non-existent secret key: Z",
    ),
    ({"projected": {"sources": [{"configMap": {"name": "no"}}]}}, "FailedMount", 'configmap "no" not found'),
    ({"persistentVolumeClaim": {"claimName": "no"}}, "FailedScheduling", 'persistentvolumeclaim "no" not found'),
]


@pytest.mark.parametrize(("source", "event", "why"), MISSING_VOLUMES)
def test_volume_without_its_source_is_a_wait(source: JSON, event: str, why: str) -> None:
    obj = pod(containers=[container(volumeMounts=[{"name": "v", "mountPath": "/m"}])])
    obj["spec"]["volumes"] = [{"name": "v", **source}]

    found = missing_of(translate(obj, node()))

    message = f'MountVolume.SetUp failed for volume "v" : {why}' if event == "FailedMount" else why
    assert found == [(event, message, "")]


def test_volume_that_nobody_mounts_is_not_looked_at() -> None:
    volumes = [{"name": "v", "configMap": {"name": "absent"}}, {"name": "w", "nfs": {}}]

    assert task_of(pod(volumes=volumes)).volumes == ()


@pytest.mark.parametrize("kind", ["nfs", "csi", "iscsi", "image"])
def test_volume_that_cannot_be_had_rejects_the_pod(kind: str) -> None:
    obj = pod(
        containers=[container(volumeMounts=[{"name": "v", "mountPath": "/m"}])], volumes=[{"name": "v", kind: {}}]
    )

    with pytest.raises(PodRejected, match=rf"spec\.volumes\[v\]\.{kind}") as caught:
        translate(obj, node())

    assert caught.value.reason == "UnsupportedVolume"


def mounts_of(mount: JSON, **source: Any) -> tuple[Mount, ...]:  # Any: one volume source
    obj = pod(
        containers=[
            container(env=[{"name": "N", "value": "x"}], volumeMounts=[{"name": "v", "mountPath": "/m", **mount}])
        ]
    )
    obj["spec"]["volumes"] = [{"name": "v", **(source or {"emptyDir": {}})}]
    return only(task_of(obj)).mounts


def test_mounts() -> None:
    assert mounts_of({}) == (Mount("v", "/m"),)
    assert mounts_of({"readOnly": True, "subPath": "a/b"}) == (Mount("v", "/m", read_only=True, sub_path="a/b"),)
    assert mounts_of({"subPath": "", "subPathExpr": "$(N)/y"}) == (Mount("v", "/m", sub_path="x/y"),)
    claim = {"claimName": "data", "readOnly": True}
    assert mounts_of({}, persistentVolumeClaim=claim) == (Mount("v", "/m", read_only=True),)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/abs"])
def test_sub_path_cannot_leave_its_volume(path: str) -> None:
    with pytest.raises(PodRejected, match="leads out of its volume"):
        mounts_of({"subPath": path})


TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_every_container_finds_its_accounts_token() -> None:
    obj = pod(containers=[container(), container("d")], serviceAccountName="spark")

    task = task_of(obj, node(issue_token=asking))

    files = {file.path: file.content for file in task.volumes[0].files}
    assert files == {"token": b"token of spark for us None", "namespace": b"ns"}
    mount = Mount("kube-api-access", TOKEN_PATH, read_only=True)
    assert [each.mounts for each in task.containers] == [(mount,), (mount,)]


@pytest.mark.parametrize("fields", [{"automountServiceAccountToken": False}, {"serviceAccountName": "quiet"}])
def test_account_or_pod_may_refuse_the_token(fields: JSON) -> None:
    assert task_of(pod(**fields), node(issue_token=asking)).volumes == ()


def test_projected_token_takes_its_place() -> None:
    source = {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}}
    mounted = container(volumeMounts=[{"name": "v", "mountPath": TOKEN_PATH}])
    obj = pod(containers=[mounted], volumes=[{"name": "v", "projected": {"sources": [source]}}])

    (volume,) = task_of(obj, node(issue_token=asking)).volumes

    assert volume == Volume("v", "files", files=(File("token", b"token of default for vault 600"),))


def test_account_that_is_not_there_is_a_wait() -> None:
    def refuse(request: TokenRequest, lookup: Lookup) -> str:
        del lookup
        raise LookupError(request.service_account)

    translation = translate(pod(serviceAccountName="nobody"), node(issue_token=refuse))

    why = 'failed to fetch token: serviceaccounts "nobody" not found'
    message = f'MountVolume.SetUp failed for volume "kube-api-access" : {why}'
    assert missing_of(translation) == [("FailedMount", message, "")]
