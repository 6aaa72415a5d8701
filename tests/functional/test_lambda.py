"""The archive that `chalice package` makes, run by AWS's runtime client behind what behaves as API Gateway."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.controllers.cluster.quotas import quotas_of
from sparkanywhere.aws.checkup import examine
from sparkanywhere.client.kube_client import Access, KubeClient
from sparkanywhere.jobs.capacity import check_capacity
from sparkanywhere.jobs.spec import JobSpec, SpecError
from tests.aws_box.account import FUNCTION, FakeAccount
from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import TOKEN, Deployment
from tests.aws_box.execution_environment import ExecutionEnvironment, FunctionError, runtime_folder
from tests.aws_box.package import Package
from tests.waiting import until
from tools import clients

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
GATEWAY_SECONDS = 29.0
STREAMED = f"GET /api/stream{CONFIG_MAPS}"
MERGE = {"Content-Type": "application/merge-patch+json"}
# The one at hand, the oldest, and those whose reflectors wait.
KUBECTLS = [
    pytest.param("kubectl", marks=pytest.mark.kubectl),
    *(
        pytest.param(str(clients.folder() / f"kubectl-{version}" / "kubectl"), marks=pytest.mark.clients, id=version)
        for version in ("1.24", "1.36", "1.37")
    ),
]


@pytest.fixture(scope="module")
def deployment(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment(package, tmp_path_factory.mktemp("lambda"))
    yield made
    made.close()


@pytest.fixture
def client(deployment: Deployment, tmp_path: Path) -> Client:
    return Client(deployment, tmp_path)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def frames(response: requests.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_function_has_asked_the_store_before_its_first_request(
    deployment: Deployment, package: Package, tmp_path: Path
) -> None:
    asked = deployment.dynamodb.fake.requests
    before = len(asked)
    environment = ExecutionEnvironment(
        task_root=package.task_root,
        runtime=runtime_folder(tmp_path / "runtime"),
        handler="app.app",
        environ=deployment.api.environ,
        log=tmp_path / "log",
    )

    until(lambda: len(asked) > before, "the client of DynamoDB to be made and used")

    environment.close()


def test_an_unknown_path_gets_a_status(client: Client) -> None:
    response = client.call("GET", "/api/v1/nothing")

    assert response.status_code == 404
    assert response.json()["kind"] == "Status"


def test_a_path_deeper_than_kubernetes_has_any_is_the_gateways_to_refuse(client: Client) -> None:
    response = client.call("GET", "/1/2/3/4/5/6/7/8/9/10")

    assert (response.status_code, response.json()) == (403, {"message": "Missing Authentication Token"})


def test_ids_of_executors_beyond_the_gateways_line_are_refused(client: Client) -> None:
    """Spark kills idle executors by one request that names them all."""

    def kill(count: int) -> int:
        ids = ",".join(f"{number}" for number in range(1000, 1000 + count))
        selector = {"labelSelector": f"spark-role=executor,spark-exec-id in ({ids})"}
        return client.call("DELETE", PODS, params=selector).status_code

    assert (kill(1000), kill(1500)) == (200, 400)


def test_who_brings_no_token_or_a_wrong_one_is_kept_out(deployment: Deployment, tmp_path: Path) -> None:
    unknown = Client(deployment, tmp_path, token="wrong").call("GET", PODS)
    anonymous = requests.get(deployment.url + PODS, timeout=GATEWAY_SECONDS)

    assert (unknown.status_code, unknown.json()["reason"]) == (401, "Unauthorized")
    assert (anonymous.status_code, anonymous.json()["reason"]) == (403, "Forbidden")


@pytest.mark.parametrize(("token", "is_good"), [(TOKEN, True), ("wrong", False)])
def test_the_doctor_finds_the_api_whole_and_a_wrong_token_wrong(
    deployment: Deployment, token: str, is_good: bool
) -> None:
    access = Access(deployment.url, token)

    found = examine(FakeAccount().clients(), access, images=[], function=FUNCTION)

    assert {each.what: each.is_good for each in found if not each.is_good or each.what in ("API", "token")} == {
        "API": True,
        "token": is_good,
    }


def test_the_node_tells_the_accounts_quotas_and_a_job_beyond_them_is_refused(
    deployment: Deployment, client: Client
) -> None:
    with pytest.raises(FunctionError, match=r"ChoresFailed: .*orphans"):  # there is no ECS here
        deployment.run_schedule()

    node = client.get("/api/v1/nodes")["items"][0]
    plane = KubeClient(Access(deployment.url, TOKEN))
    job = JobSpec(application="local:///a.jar", main_class="C", executor_cores=8)

    assert {each.capacity: each.vcpus for each in quotas_of(node).values()} == {"on-demand": 6.0, "spot": 6.0}
    with pytest.raises(SpecError, match=r"can never run: .*--quota-code L-3032A538"):
        check_capacity(plane, job)


@pytest.mark.kubectl
def test_kubectl_applies_changes_and_deletes(client: Client) -> None:
    applied = client.kubectl("apply", "-f", "-", text=json.dumps(config_map("applied", a="1")))
    again = client.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", text=json.dumps(config_map("applied", a="2"))
    )
    shown = client.kubectl("get", "configmap", "applied", "-o", "jsonpath={.data.a}")
    deleted = client.kubectl("delete", "configmap", "applied")

    assert applied.stdout == "configmap/applied created\n", applied.stderr
    assert again.stdout == "configmap/applied serverside-applied\n", again.stderr
    assert shown.stdout == "2"
    assert deleted.stdout.startswith('configmap "applied" deleted'), deleted.stderr  # newer ones add where


@pytest.mark.kubectl
def test_a_body_in_protobuf_comes_through_the_gateway_unharmed(client: Client) -> None:
    created = client.kubectl("create", "configmap", "binary", "--from-literal=a=über")  # sent as protobuf
    shown = client.kubectl("get", "configmap", "binary", "-o", "jsonpath={.data.a}")

    assert created.stdout == "configmap/binary created\n", created.stderr
    assert shown.stdout == "über"


def test_several_warnings_come_as_headers_of_their_own(client: Client) -> None:
    body = {**config_map("warned"), "spec": {}, "unknown": 1}

    response = client.call("POST", CONFIG_MAPS, json=body, params={"fieldValidation": "Warn"})

    assert response.status_code == 201
    assert response.raw.headers.getlist("Warning") == [
        '299 - "unknown field \\"spec\\""',
        '299 - "unknown field \\"unknown\\""',
    ]


def test_a_watch_answers_with_what_has_happened_and_a_bookmark(client: Client) -> None:
    revision = client.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    client.call("POST", CONFIG_MAPS, json=config_map("watched"))

    params = {"watch": "1", "resourceVersion": revision, "allowWatchBookmarks": "true"}
    response = client.call("GET", CONFIG_MAPS, params=params)

    seen = frames(response)
    assert [frame["type"] for frame in seen] == ["ADDED", "BOOKMARK"]
    assert seen[0]["object"]["metadata"]["name"] == "watched"


def test_a_watch_wakes_for_what_another_environment_writes(client: Client, deployment: Deployment) -> None:
    revision = client.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    answers: list[requests.Response] = []

    def watch() -> None:
        params = {"watch": "1", "resourceVersion": revision, "timeoutSeconds": "20"}
        answers.append(client.call("GET", CONFIG_MAPS, params=params))

    before = deployment.api.invocations
    watching = threading.Thread(target=watch)
    watching.start()
    until(lambda: deployment.api.invocations > before, "the watch to reach its function")
    client.call("POST", CONFIG_MAPS, json=config_map("woken"))
    watching.join()

    assert [frame["object"]["metadata"]["name"] for frame in frames(answers[0])] == ["woken"]
    assert deployment.api.cold_starts > 1  # the watch held an environment of its own


@pytest.mark.kubectl
def test_kubectls_watch_goes_on_after_its_first_event(client: Client) -> None:
    with client.start_kubectl("get", "configmaps", "--watch") as kubectl:
        assert kubectl.stdout is not None
        for name in ("first", "second", "third"):
            client.call("POST", CONFIG_MAPS, json=config_map(name))
            assert any(line.startswith(name) for line in iter(kubectl.stdout.readline, ""))  # "" is its end

        assert kubectl.poll() is None
        kubectl.kill()


@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_kubectl_gives_up_when_told_and_learns_at_once_what_it_waits_for(
    client: Client, deployment: Deployment, kubectl: str
) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/held"]
    client.call("POST", CONFIG_MAPS, json=held)
    lines = (
        ("wait", "configmap/held", "--for=jsonpath={.metadata.name}=other"),
        ("wait", "configmap/held", "--for=delete"),
        ("delete", "configmap/held"),
    )

    for line in lines:
        with client.start_kubectl(*line, "--timeout=2s", program=kubectl) as given_up:
            output = given_up.communicate()[0]
            assert output.endswith("error: timed out waiting for the condition on configmaps/held\n")
    deployment.gateway.requests.clear()  # a slow machine's kubectl watches more than once
    with client.start_kubectl("wait", "configmap/held", "--for=delete", "--timeout=80s", program=kubectl) as waiting:
        until(lambda: STREAMED in deployment.gateway.requests, "the last watch to be streamed")
        client.call("PATCH", f"{CONFIG_MAPS}/held", json={"metadata": {"finalizers": None}}, headers=MERGE)
        assert (waiting.communicate()[0], waiting.returncode) == ("configmap/held condition met\n", 0)


def test_a_stream_comes_piece_by_piece_and_ends_as_the_client_wanted(client: Client, deployment: Deployment) -> None:
    revision = client.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    params = {"watch": "1", "resourceVersion": revision, "timeoutSeconds": "4", "allowWatchBookmarks": "true"}
    before = deployment.api.invocations

    response = client.call("GET", "/stream" + CONFIG_MAPS, params=params, stream=True)
    lines = (json.loads(line) for line in response.iter_lines() if line)
    client.call("POST", CONFIG_MAPS, json=config_map("streamed"))
    first = next(lines)
    client.call("DELETE", f"{CONFIG_MAPS}/streamed")
    rest = [frame["type"] for frame in lines]

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "streamed")
    assert [each for each in rest if each != "BOOKMARK"] == ["DELETED"]
    assert deployment.api.invocations == before + 2  # not for the watch


def test_what_is_streamed_is_refused_like_anything_else(client: Client, deployment: Deployment, tmp_path: Path) -> None:
    stranger = Client(deployment, tmp_path, token="wrong")

    unknown = stranger.call("GET", "/stream" + CONFIG_MAPS, params={"watch": "1"})
    missing = client.call("GET", "/stream/api/v1/nothing")

    assert (unknown.status_code, unknown.json()["reason"]) == (401, "Unauthorized")
    assert (missing.status_code, missing.json()["kind"]) == (404, "Status")


@pytest.mark.usefixtures("large_maps")
def test_a_list_has_the_same_limit_where_answers_are_streamed(client: Client) -> None:
    answer = client.call("GET", "/stream" + CONFIG_MAPS, headers={"Accept-Encoding": "identity"})

    assert (answer.status_code, answer.json()["reason"]) == (413, "RequestEntityTooLarge")


def test_a_stream_whose_function_is_killed_is_cut_off_and_can_be_asked_again(
    client: Client, deployment: Deployment
) -> None:
    response = client.call("GET", "/stream" + CONFIG_MAPS, params={"watch": "1"}, stream=True)
    lines = response.iter_lines()
    assert any(lines)  # it has begun

    deployment.stream.kill_busy()

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        list(lines)
    assert client.call("GET", "/stream" + CONFIG_MAPS).status_code == 200


@pytest.mark.parametrize("key", [{}, {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}])
def test_an_attempt_to_upgrade_ends_inside_the_gateways_window(client: Client, key: dict[str, str]) -> None:
    params = {"watch": "1", "timeoutSeconds": "1"}

    response = client.call("GET", CONFIG_MAPS, params=params, headers={**UPGRADE, **key})

    assert response.status_code == 200


def test_a_body_beyond_a_real_servers_limit_is_refused(client: Client) -> None:
    response = client.call("POST", CONFIG_MAPS, json=config_map("large", a="x" * 3_200_000))

    assert (response.status_code, response.json()["reason"]) == (413, "RequestEntityTooLarge")


@pytest.fixture
def large_maps(client: Client) -> Iterator[set[str]]:
    """Yield the names of ConfigMaps that are more than one answer of Lambda may hold."""
    names = {f"large-{number}" for number in range(20)}
    for name in names:
        created = client.call("POST", CONFIG_MAPS, json=config_map(name, a="x" * 350_000))
        assert created.status_code == 201, created.text
    yield names
    assert client.call("DELETE", CONFIG_MAPS).status_code == 200


def names_in(answer: Any) -> set[str]:
    return {each["metadata"]["name"] for each in answer["items"]}


def test_a_list_larger_than_lambda_may_answer_comes_in_pages_or_is_refused(
    client: Client, large_maps: set[str]
) -> None:
    plain = {"Accept-Encoding": "identity"}

    whole = client.call("GET", CONFIG_MAPS, headers=plain)
    names: set[str] = set()
    pages = 0
    params = {"limit": "500", "continue": ""}
    while True:
        page = client.call("GET", CONFIG_MAPS, params=params, headers=plain)
        assert page.status_code == 200, page.text
        names |= names_in(page.json())
        pages += 1
        params["continue"] = page.json()["metadata"].get("continue", "")
        if not params["continue"]:
            break

    assert (whole.status_code, whole.json()["reason"]) == (413, "RequestEntityTooLarge")
    assert pages > 1
    assert large_maps <= names


def test_a_list_that_only_managed_fields_make_too_large_comes_without_them(client: Client) -> None:
    data = {f"a-key-of-a-certain-length-{number}": "x" * 30 for number in range(3000)}
    for number in range(20):
        created = client.call("POST", CONFIG_MAPS, json=config_map(f"wide-{number}", **data))
        assert created.status_code == 201, created.text

    whole = client.call("GET", CONFIG_MAPS, headers={"Accept-Encoding": "identity"})
    one = client.get(f"{CONFIG_MAPS}/wide-1")

    assert whole.status_code == 200, whole.text[:300]
    assert "managedFields" in one["metadata"]
    assert [each for each in whole.json()["items"] if "managedFields" in each["metadata"]] == []
    assert "managedFields is left out" in whole.headers["Warning"]
    assert client.call("DELETE", CONFIG_MAPS).status_code == 200


@pytest.mark.kubectl
def test_a_list_larger_than_lambda_may_answer_comes_whole_for_who_takes_gzip(
    client: Client, large_maps: set[str]
) -> None:
    by_kubectl = client.kubectl("get", "configmaps", "--chunk-size=0", "-o", "json")
    by_fabric8 = client.call("GET", CONFIG_MAPS, headers={"Accept-Encoding": "gzip", "Accept": None})

    assert by_kubectl.returncode == 0, by_kubectl.stderr
    assert large_maps <= names_in(json.loads(by_kubectl.stdout))
    assert by_fabric8.headers["Content-Encoding"] == "gzip"
    assert len(by_fabric8.content) > 6 * 2**20
    assert large_maps <= names_in(by_fabric8.json())


def test_a_function_killed_in_mid_request_leaves_the_next_one_whole(client: Client, deployment: Deployment) -> None:
    answers: list[requests.Response] = []
    params = {"watch": "1", "timeoutSeconds": "20"}
    waiting = threading.Thread(target=lambda: answers.append(client.call("GET", PODS, params=params)))
    before = deployment.api.invocations
    waiting.start()
    until(lambda: deployment.api.invocations > before, "the watch to reach its function")

    killed = deployment.api.kill_busy()
    waiting.join()

    assert killed == 1
    assert answers[0].status_code == 502
    assert client.get(PODS)["kind"] == "PodList"


def test_a_pod_that_ecs_can_not_take_now_is_pending_and_says_why(client: Client) -> None:
    client.create_pod("unreachable")  # nobody answers for ECS in this box
    until(lambda: client.pod("unreachable")["status"].get("conditions"), "the pod to say why")

    status = client.pod("unreachable")["status"]

    assert status["phase"] == "Pending"
    scheduled = next(each for each in status["conditions"] if each["type"] == "PodScheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Unavailable")
    assert client.call("DELETE", f"{PODS}/unreachable").status_code == 200
    assert client.pod("unreachable") is None


def test_pods_are_told_the_address_that_requests_came_to(client: Client) -> None:
    driver = {"name": "driver", "image": "spark", "args": ["driver", "--class", "Main"]}
    created = client.create_pod("driver", containers=[driver], metadata={"labels": {"spark-role": "driver"}})

    args = created["spec"]["containers"][0]["args"]
    client.call("DELETE", f"{PODS}/driver")

    url = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/api"
    assert f"spark.kubernetes.driver.master={url}" in args


def test_the_schedule_runs_in_a_function_of_its_own(deployment: Deployment) -> None:
    before = deployment.resync.invocations

    with contextlib.suppress(FunctionError):  # chores that ask ECS fail if they are due: there is no ECS here
        deployment.run_schedule()

    assert deployment.resync.invocations == before + 1
