"""Services of pods in containers: names, addresses and ports that follow what is stored, without a restart of a pod."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.request import Request, urlopen

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import KubeClient, tls_context
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.webserver.server import listen
from tests.e2e.docker_cluster import DockerCluster, docker_cluster, image_for
from tests.e2e.spark_cluster import JOBS, NAMESPACE, is_over, without_own_settings
from tests.e2e.spark_scenarios import NEWEST
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.slow]

IMAGE = f"sparkanywhere/spark:{NEWEST}"
FULL = "{}.default.svc.cluster.local"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerCluster]:
    """Yield the control plane that the tests of this module share."""
    image_for(NEWEST)
    with docker_cluster(tmp_path_factory.mktemp("services")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: DockerCluster) -> Iterator[DockerCluster]:
    """Yield that control plane without pods and Services."""
    yield shared
    shared.clear()
    shared.clear_services()


def pod(cluster: DockerCluster, name: str, *command: str, app: str = "", **spec: Any) -> None:  # Any: of a pod's spec
    mount = {"name": "jobs", "mountPath": cluster.jobs}
    ports = [{"name": "lines", "containerPort": 7001}]
    main = {"name": "main", "image": IMAGE, "command": list(command), "volumeMounts": [mount], "ports": ports}
    volumes = [{"name": "jobs", "hostPath": {"path": str(JOBS)}}]
    whole = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [main], "volumes": volumes}
    metadata = {"name": name, "labels": {"app": app or name}}
    cluster.client.create(f"{NAMESPACE}/pods", {"metadata": metadata, "spec": whole | spec})


def server(cluster: DockerCluster, name: str, *, port: int = 7001, app: str = "web", **spec: Any) -> None:
    pod(cluster, name, "python3", f"{cluster.jobs}/service_server.py", str(port), name, app=app, **spec)
    until(lambda: is_running(cluster, name), f"{name} to run")


def is_running(cluster: DockerCluster, name: str) -> bool:
    found = cluster.client.get(f"{NAMESPACE}/pods/{name}")
    return bool(found["status"].get("phase") == "Running")


def service(cluster: DockerCluster, name: str, *, app: str = "web", **spec: Any) -> JSON:
    whole = {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": "lines"}]}
    return cluster.client.create(f"{NAMESPACE}/services", {"metadata": {"name": name}, "spec": whole | spec})


def asks(cluster: DockerCluster, *ends: str, name: str = "client") -> Callable[[str], None]:
    """Start a pod that asks these for ever; return what waits for the last thing that it was told by one of them."""
    pod(cluster, name, "python3", f"{cluster.jobs}/service_client.py", *ends)

    def heard(wanted: str) -> None:
        end = wanted.partition(" ")[0]

        def last() -> bool:
            lines = [line for line in cluster.client.log("default", name).splitlines() if line.startswith(f"{end} ")]
            return lines[-1:] == [wanted]

        until(last, f"{name} to hear: {wanted}")

    until(lambda: is_running(cluster, name), f"{name} to run")
    return heard


def test_services_made_after_their_pods_are_found_by_those_that_run(cluster: DockerCluster) -> None:
    ends = ["late:80", "late.default:80", "late.default.svc:80", f"{FULL.format('late')}:80", "bare:7001"]
    server(cluster, "a")
    heard = asks(cluster, *ends)
    heard("late:80 says gaierror")

    service(cluster, "late")
    service(cluster, "bare", clusterIP="None")

    for end in ends:
        heard(f"{end} says a")
    asks(cluster, "late:80", name="new")("late:80 says a")


def test_a_name_follows_its_selector_its_pods_and_its_end(cluster: DockerCluster) -> None:
    server(cluster, "a")
    server(cluster, "b", app="other")
    made = service(cluster, "web")
    heard = asks(cluster, "web:80")
    heard("web:80 says a")

    changed = {**made, "spec": {**made["spec"], "selector": {"app": "other"}}}
    replace(cluster, changed)
    heard("web:80 says b")
    cluster.client.delete(f"{NAMESPACE}/pods/b", gracePeriodSeconds="0")
    heard("web:80 says ConnectionRefusedError")
    server(cluster, "c", app="other")
    heard("web:80 says c")
    cluster.client.delete(f"{NAMESPACE}/services/web")
    heard("web:80 says gaierror")


def replace(cluster: DockerCluster, obj: JSON) -> None:
    """Put a Service in the place of the one that is there."""
    access = cluster.server.access
    request = Request(f"{access.url}{NAMESPACE}/services/{obj['metadata']['name']}", json.dumps(obj).encode())
    request.method = "PUT"
    request.add_header("Authorization", f"Bearer {access.token}")
    request.add_header("Content-Type", "application/json")
    with urlopen(request, context=tls_context(access)):
        pass


def test_pods_of_a_headless_service_have_names_of_their_own(cluster: DockerCluster) -> None:
    service(cluster, "sp", clusterIP="None")
    server(cluster, "sp-0", hostname="sp-0", subdomain="sp")

    heard = asks(cluster, "sp-0.sp:7001", f"sp-0.{FULL.format('sp')}:7001")

    heard("sp-0.sp:7001 says sp-0")
    heard(f"sp-0.{FULL.format('sp')}:7001 says sp-0")


def test_ports_are_forwarded_to_their_targets(cluster: DockerCluster) -> None:
    server(cluster, "a")
    ports = [{"name": "same", "port": 7001}, {"name": "number", "port": 81, "targetPort": 7001}]
    service(cluster, "ports", ports=[*ports, {"name": "name", "port": 53, "targetPort": "lines"}])

    heard = asks(cluster, "ports:7001", "ports:81", "ports:53", "ports:82")

    for port in (7001, 81, 53):
        heard(f"ports:{port} says a")
    heard("ports:82 says ConnectionRefusedError")


def test_an_external_name_leads_elsewhere(cluster: DockerCluster) -> None:
    server(cluster, "a")
    service(cluster, "web")
    service(cluster, "outside", type="ExternalName", externalName=FULL.format("web"), selector=None)

    asks(cluster, "outside:80")("outside:80 says a")


def test_variables_name_the_services_that_are_there(cluster: DockerCluster) -> None:
    server(cluster, "a")
    address = service(cluster, "my-web")["spec"]["clusterIP"]
    program = "import os, socket; e = os.environ; end = e['MY_WEB_SERVICE_HOST'], int(e['MY_WEB_SERVICE_PORT']);"
    program += "print(e['MY_WEB_PORT'], socket.create_connection(end).recv(9).decode())"

    pod(cluster, "client", "python3", "-c", program)
    until(lambda: "tcp:" in cluster.client.log("default", "client"), "the pod to speak")

    assert cluster.client.log("default", "client").split() == [f"tcp://{address}:80", "a"]


def test_connections_and_names_outlive_the_control_plane(cluster: DockerCluster) -> None:
    server(cluster, "a")
    service(cluster, "web")
    pod(cluster, "holder", "python3", f"{cluster.jobs}/service_client.py", "--hold", "100", "web:80")
    heard = asks(cluster, "web:80", "later:80")
    heard("web:80 says a")
    until(lambda: "web:80 says a" in cluster.client.log("default", "holder"), "an open connection")

    cluster.server.kill()
    cluster.server.start()
    service(cluster, "later")

    heard("later:80 says a")
    heard("web:80 says a")
    until(lambda: not is_running(cluster, "holder"), "the connection to be used to its end")
    assert cluster.client.get(f"{NAMESPACE}/pods/holder")["status"]["phase"] == "Succeeded"
    assert cluster.client.log("default", "holder").splitlines() == ["web:80 says a", "100 more times a"]
    lines = cluster.client.log("default", "client").splitlines()
    assert [line for line in lines if line.startswith("web:80")] == ["web:80 says a"]


def test_the_services_container_is_made_again(cluster: DockerCluster) -> None:
    server(cluster, "a")
    service(cluster, "web")
    heard = asks(cluster, "web:80")
    heard("web:80 says a")
    (container,) = cluster.engine.containers(filters={"name": cluster.network()["Name"] + "-services"})

    cluster.engine.remove_container(container["Id"], force=True)
    service(cluster, "another")

    asks(cluster, "another:80", name="new")("another:80 says a")
    heard("web:80 says a")


def test_a_second_server_and_the_first_tell_of_each_others_services(cluster: DockerCluster) -> None:
    server(cluster, "a")
    heard = asks(cluster, "one:80", "two:80")
    with second_server(cluster.server) as other:
        other.create(f"{NAMESPACE}/services", service_object("one"))
        heard("one:80 says a")
        service(cluster, "two")
        heard("two:80 says a")
        other.delete(f"{NAMESPACE}/services/two")
        heard("two:80 says gaierror")


def service_object(name: str) -> JSON:
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 7001}]},
    }


@contextlib.contextmanager
def second_server(first: LocalServer) -> Iterator[KubeClient]:
    """Yield a client of another server on the same state, whose kubeconfig is named after its port."""
    with closing(listen("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    options = ServerOptions(first.folder.parent, first.folder.name, provider="docker", port=port)
    other = LocalServer(options, without_own_settings())
    other.kubeconfig = first.folder / f"kubeconfig-{port}"
    try:
        yield KubeClient(other.start())
    finally:
        other.stop()


def test_the_api_answers_at_all_its_names(cluster: DockerCluster) -> None:
    pod(cluster, "client", "python3", f"{cluster.jobs}/reaches_api.py")

    until(lambda: is_over(cluster.client.get(f"{NAMESPACE}/pods/client")), "the pod to end")

    names = ("env", "kubernetes", "kubernetes.default", "kubernetes.default.svc", FULL.format("kubernetes"))
    assert cluster.client.log("default", "client").splitlines() == [f"{name} 200" for name in names]
