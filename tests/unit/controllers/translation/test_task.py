"""Pods as tasks: every part of a pod that reaches a provider, and what is said of the rest."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import PodRejected
from chalicelib.controllers.translation.task import draft, translate
from chalicelib.providers.base import ADDRESS, Container, RegistryLogin
from tests.unit.controllers.builders import UID, container, pod
from tests.unit.controllers.translation.builders import Objects, asking, node, only, task_of

DATA = Path(__file__).parents[3] / "data" / "spark"


def test_resources_add_up() -> None:
    big, small = {"requests": {"cpu": "1", "memory": "1Gi"}}, {"limits": {"cpu": "500m", "memory": "100M"}}
    init = container("i", resources={"requests": {"cpu": "3", "memory": "64Mi"}})
    sidecar = container("s", restartPolicy="Always", resources={"requests": {"cpu": "250m"}})
    obj = pod(initContainers=[init, sidecar], containers=[container(resources=big), container("d", resources=small)])

    task = task_of(obj)

    assert task.cpu_milli == 3000
    assert task.memory_mib == 1024 + 96
    assert [(each.cpu_milli, each.memory_mib) for each in task.containers][2:] == [(None, None), (500, 96)]


@pytest.mark.parametrize(
    ("resources", "size_limit", "gib"),
    [
        ({}, None, 0),
        ({"requests": {"ephemeral-storage": "5Gi"}}, None, 5),
        ({"limits": {"ephemeral-storage": "5G"}}, None, 5),
        ({}, "30Gi", 30),
        ({"requests": {"ephemeral-storage": "5Gi"}}, "30Gi", 30),
    ],
)
def test_disk(resources: JSON, size_limit: str | None, gib: int) -> None:
    scratch = {"sizeLimit": size_limit} if size_limit else {}
    obj = pod(containers=[container(resources=resources)], volumes=[{"name": "v", "emptyDir": scratch}])

    assert task_of(obj).disk_gib == gib


def test_a_claim_that_lives_with_its_pod_is_disk() -> None:
    claim = {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "30Gi"}}}}}
    scratch = {"name": "v", "emptyDir": {"sizeLimit": "5Gi"}}

    assert task_of(pod(volumes=[scratch, {"name": "claim", "ephemeral": claim}])).disk_gib == 35


@pytest.mark.parametrize(
    ("policy", "kind", "expected"),
    [
        ("Never", "containers", "never"),
        ("OnFailure", "containers", "on-failure"),
        ("Always", "containers", "always"),
        ("Never", "initContainers", "never"),
        ("OnFailure", "initContainers", "on-failure"),
        ("Always", "initContainers", "on-failure"),
    ],
)
def test_restart_policy(policy: str, kind: str, expected: str) -> None:
    obj = pod(restartPolicy=policy, initContainers=[container("x")], containers=[container("y")])
    first, second = task_of(obj).containers

    assert (first if kind == "initContainers" else second).restart == expected


def test_sidecar_starts_beside_the_main_containers() -> None:
    obj = pod(initContainers=[container("s", restartPolicy="Always"), container("i")])

    translation = translate(obj, node())

    assert translation.task is not None
    found = [(each.name, each.init, each.restart) for each in translation.task.containers]
    assert found == [("i", True, "never"), ("s", False, "always"), ("c", False, "never")]
    assert translation.unsupported == ("spec.initContainers[0].restartPolicy",)


def test_a_sleep_before_the_stop_is_the_containers_own() -> None:
    sleepy = container(lifecycle={"preStop": {"sleep": {"seconds": 7}}})

    assert only(task_of(pod(containers=[sleepy]))).stop_command == ("sleep", "7")


def test_resources_of_a_pod_are_its_tasks_and_limit_each_container() -> None:
    asked = {"requests": {"cpu": "3", "memory": "5Gi"}, "limits": {"cpu": "4", "memory": "6Gi"}}
    containers = [container(resources={"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}})]

    task = task_of(pod(containers=containers, resources=asked))

    assert (task.cpu_milli, task.memory_mib) == (3000, 5 * 1024)
    assert (only(task).cpu_milli, only(task).memory_mib) == (4000, 1024)


def test_everything_else_of_a_container() -> None:
    full = container(
        workingDir="/w",
        tty=True,
        stdin=True,
        stdinOnce=True,
        imagePullPolicy="Always",
        ports=[{"containerPort": 7078, "protocol": "TCP"}],
        lifecycle={"preStop": {"exec": {"command": ["/opt/decom.sh"]}}},
        resources={"limits": {"nvidia.com/gpu": "2"}},
        securityContext={
            "runAsUser": 185,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "privileged": True,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
        },
    )

    found = only(task_of(pod(containers=[full], securityContext={"runAsUser": 1, "runAsGroup": 0})))

    assert found == Container(
        name="c",
        image="image:1",
        working_dir="/w",
        tty=True,
        stdin=True,
        stdin_once=True,
        pull="always",
        ports=(7078,),
        stop_command=("/opt/decom.sh",),
        gpus=2,
        user="185:0",
        read_only_root=True,
        no_new_privileges=True,
        privileged=True,
        add_capabilities=("NET_ADMIN",),
        drop_capabilities=("ALL",),
    )


def test_root_where_root_is_forbidden_rejects_the_pod() -> None:
    context = {"runAsNonRoot": True, "runAsUser": 0}

    with pytest.raises(PodRejected, match="container's runAsUser breaks non-root policy") as caught:
        translate(pod(securityContext=context), node())

    assert caught.value.reason == "CreateContainerConfigError"


def test_task_is_named_after_its_pod() -> None:
    obj = pod("x" * 70, metadata={"labels": {"app": "x"}}, terminationGracePeriodSeconds=9, hostNetwork=True)

    task = task_of(obj)

    assert (task.uid, task.group, task.name, task.hostname) == (UID, "ns", "x" * 70, "x" * 63)
    labels = {"app": "x", "sparkanywhere.io/namespace": "ns", "sparkanywhere.io/pod": "x" * 70}
    assert dict(task.labels) == labels
    assert (task.stop_grace_seconds, task.host_network) == (9, True)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ("web-0", "")),
        ({"subdomain": "hn"}, ("web-0", "hn.ns.svc.cluster.local")),
        ({"hostname": "hn-0", "subdomain": "hn"}, ("hn-0", "hn.ns.svc.cluster.local")),
        ({"hostname": "hn-0"}, ("hn-0", "")),
    ],
)
def test_a_subdomain_gives_a_whole_name(fields: JSON, names: tuple[str, str]) -> None:
    task = task_of(pod("web-0", **fields))

    assert (task.hostname, task.domain) == names


def test_names_are_looked_up_in_the_pods_namespace_first() -> None:
    aliases = [{"ip": "10.1.1.1", "hostnames": ["db"]}]

    task = task_of(pod(hostAliases=aliases))

    assert task.search_domains == ("ns.svc.cluster.local", "svc.cluster.local", "cluster.local")
    assert task.host_entries == (("10.1.1.1", "db"),)


@pytest.mark.parametrize("policy", ["Default", "None"])
def test_a_dns_policy_may_leave_the_cluster_out(policy: str) -> None:
    assert task_of(pod(dnsPolicy=policy)).search_domains == ()


@pytest.mark.parametrize("fields", [{"imagePullSecrets": [{"name": "login"}]}, {"serviceAccountName": "spark"}])
def test_image_logins(fields: JSON) -> None:
    assert task_of(pod(**fields)).logins == (RegistryLogin("r.example", "u", "p"),)


def test_absent_image_login_is_none() -> None:
    assert task_of(pod(imagePullSecrets=[{"name": "absent"}])).logins == ()


AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}]}
            ]
        }
    }
}

PLACEMENTS: list[tuple[JSON, dict[str, str], list[str]]] = [
    ({"nodeSelector": {"kubernetes.io/arch": "arm64"}}, {"kubernetes.io/arch": "arm64"}, []),
    ({"nodeSelector": {"eks.amazonaws.com/capacityType": "SPOT"}}, {"sparkanywhere.io/capacity-type": "spot"}, []),
    (
        {"nodeSelector": {"karpenter.sh/capacity-type": "on-demand"}},
        {"sparkanywhere.io/capacity-type": "on-demand"},
        [],
    ),
    ({"affinity": AFFINITY}, {"topology.kubernetes.io/zone": "a,b"}, []),
    ({"serviceAccountName": "reader"}, {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/reader"}, []),
    ({"nodeSelector": {"disk": "ssd"}}, {}, ["spec.nodeSelector[disk]"]),
    ({"affinity": {"podAntiAffinity": {"x": 1}}}, {}, ["spec.affinity.podAntiAffinity"]),
]


@pytest.mark.parametrize(("fields", "hints", "unsupported"), PLACEMENTS)
def test_placement(fields: JSON, hints: dict[str, str], unsupported: list[str]) -> None:
    translation = translate(pod(**fields), node())

    assert translation.task is not None
    assert dict(translation.task.placement) == hints
    assert list(translation.unsupported) == unsupported


@pytest.mark.parametrize("key", ["sparkanywhere.io/capacity-type", "karpenter.sh/capacity-type"])
def test_a_driver_runs_on_spot_only_where_that_is_said_of_itself(key: str) -> None:
    driver = pod(nodeSelector={key: "spot"})
    driver["metadata"]["labels"] = {"spark-role": "driver"}
    forced = copy.deepcopy(driver)
    forced["metadata"]["annotations"] = {"sparkanywhere.io/spot-driver": "true"}
    executor = copy.deepcopy(driver)
    executor["metadata"]["labels"] = {"spark-role": "executor"}

    kept, taken, usual = (translate(each, node()) for each in (driver, forced, executor))

    assert kept.task is not None
    assert dict(kept.task.placement)["sparkanywhere.io/capacity-type"] == "on-demand"
    assert kept.unsupported == (f"spec.nodeSelector[{key}]",)
    for each in (taken, usual):
        assert each.task is not None
        assert dict(each.task.placement)["sparkanywhere.io/capacity-type"] == "spot"
        assert each.unsupported == ()


UNSUPPORTED: list[tuple[JSON, list[str]]] = [
    ({"hostPID": True, "schedulerName": "volcano"}, ["spec.hostPID", "spec.schedulerName"]),
    ({"securityContext": {"fsGroup": 185}}, ["spec.securityContext.fsGroup"]),
    (
        {"containers": [container(readinessProbe={"exec": {}}, lifecycle={"postStart": {"exec": {}}})]},
        ["spec.containers[0].readinessProbe", "spec.containers[0].lifecycle.postStart"],
    ),
    (
        {"containers": [container(lifecycle={"preStop": {"httpGet": {"port": 1}}})]},
        ["spec.containers[0].lifecycle.preStop.httpGet"],
    ),
    ({"containers": [container(ports=[{"hostPort": 80}])]}, ["spec.containers[0].ports[0].hostPort"]),
    (
        {"containers": [container(resources={"limits": {"example.com/fpga": "1"}})]},
        ["spec.containers[0].resources.limits[example.com/fpga]"],
    ),
    ({"resources": {"limits": {"memory": "1Gi"}}}, []),
    (
        {"resources": {"limits": {"cpu": "1"}}, "containers": [container(), container("other")]},
        ["spec.resources.limits[cpu]"],
    ),
    ({"resources": {"requests": {"hugepages-2Mi": "2Mi"}}}, ["spec.resources.requests[hugepages-2Mi]"]),
    ({"volumes": [{"name": "v", "hostPath": {"type": "Directory"}}]}, ["spec.volumes[0].hostPath.type"]),
    ({"tolerations": [{"operator": "Exists"}], "containers": [container(resizePolicy=[{}])]}, []),
]


@pytest.mark.parametrize("kind", ["required", "preferred"])
@pytest.mark.parametrize(
    ("key", "operator", "is_honoured"),
    [
        ("kubernetes.io/os", "NotIn", True),
        ("kubernetes.io/os", "Exists", True),
        ("sparkanywhere.io/provider", "In", True),
        ("topology.kubernetes.io/zone", "In", True),
        ("topology.kubernetes.io/zone", "NotIn", False),
        ("example.com/pool", "In", False),
    ],
)
def test_an_affinity_is_named_unless_the_scheduler_or_a_provider_honours_it(
    kind: str, key: str, operator: str, is_honoured: bool
) -> None:
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": ["x"]}]}
    found: JSON = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    if kind == "preferred":
        found = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]}

    named = translate(pod(affinity={"nodeAffinity": found}), node()).unsupported

    assert named == (() if is_honoured else ("spec.affinity.nodeAffinity",))


@pytest.mark.parametrize(("fields", "paths"), UNSUPPORTED)
def test_what_is_not_honoured_is_named(fields: JSON, paths: list[str]) -> None:
    obj = pod(**fields)
    for each in obj["spec"]["containers"]:
        for port in each.get("ports", ()):
            port["containerPort"] = 80

    assert list(translate(obj, node()).unsupported) == paths


@pytest.mark.parametrize("path", sorted(DATA.glob("*er-*.json")), ids=lambda path: path.stem)
def test_recorded_spark_pod_is_understood(path: Path) -> None:
    obj = json.loads(path.read_text())
    obj["metadata"].update(namespace="spark", uid=UID)
    objects: dict[tuple[str, str], JSON] = {}
    for volume in obj["spec"]["volumes"]:
        for kind, name in (("configMap", "name"), ("secret", "secretName"), ("persistentVolumeClaim", "claimName")):
            if kind in volume:
                resource = f"{kind.lower()}s"
                items = volume[kind].get("items") or []
                objects[(resource, volume[kind][name])] = {"data": {item["key"]: "" for item in items}}

    translation = translate(obj, node(lookup=Objects(objects), issue_token=asking))

    assert translation.missing == ()
    assert translation.task is not None
    (spark,) = [each for each in translation.task.containers if each.args]
    env = dict(spark.env)
    assert ADDRESS in (env.get("SPARK_DRIVER_BIND_ADDRESS"), env.get("SPARK_EXECUTOR_POD_IP"))
    assert spark.memory_mib == 984
    assert spark.no_new_privileges is ("3.5.9" not in path.stem)


def test_draft_needs_nothing_stored() -> None:
    obj = json.loads((DATA / "driver-4.3.0.json").read_text())

    task = draft(obj, node(lookup=Objects({})))

    assert task is not None
    assert task.containers[0].image == "fake/spark:1"


def test_draft_of_a_pod_to_be_rejected_is_none() -> None:
    obj = pod(
        containers=[container(volumeMounts=[{"name": "v", "mountPath": "/m"}])], volumes=[{"name": "v", "nfs": {}}]
    )

    assert draft(obj, node()) is None
