"""History and Connect servers: what their pods are, how one is found, waited for and ended, when one is idle."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli import reach
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import Access
from sparkanywhere.jobs import event_log, services
from sparkanywhere.jobs.capacity import check_events
from sparkanywhere.jobs.jar_sets import sets_of_place
from sparkanywhere.jobs.objects import build
from sparkanywhere.jobs.programs.connect_program import LISTENS, Idleness
from sparkanywhere.jobs.services import HISTORY, ServiceFailed, find_running, history_pod, stop_all, wait_until_up
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.submission import submit
from tests.unit.sparkanywhere.jobs.kube_in_process import PODS, InProcessClient

UP = "INFO HistoryServer: Bound HistoryServer to 0.0.0.0, and started at http://10.0.0.7:18080"


def server(**changed: Any) -> JSON:  # Any: history_pod's own options
    options = {"image": "i", "directory": event_log.DIRECTORY, "heap": "1g", "conf": {}, **changed}
    return history_pod(**options)


def env_of(pod: JSON) -> dict[str, Any]:  # Any: a value, or where it comes from
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in pod["spec"]["containers"][0]["env"]}


def test_a_history_server_among_containers_reads_what_drivers_of_any_user_wrote() -> None:
    assert server(as_root=True)["spec"]["securityContext"] == {"runAsUser": 0}
    assert "securityContext" not in server()["spec"]


@pytest.mark.parametrize(
    ("directory", "sets"),
    [("s3://b/logs", ("s3",)), ("s3a://b/logs", ("s3",)), ("gs://b/logs", ("gcs",)), ("abfss://c@a/l", ("azure",))],
)
def test_a_history_server_over_a_bucket_is_a_job_with_its_jars(directory: str, sets: tuple[str, ...]) -> None:
    spec = services.history_spec(directory, spark="4.3.0", image="", heap="2g", conf={"spark.history.ui.title": "t"})

    made = build(spec, suffix="1", user="me")
    properties = made.owned[0][1]["data"]["spark.properties"]
    assert spec.jar_sets == sets
    assert spec.driver_memory == "2g"
    assert made.driver["metadata"]["labels"][services.SERVICE] == "history"
    assert services.HISTORY_CLASS in made.driver["spec"]["containers"][0]["args"]
    assert "spark.history.fs.logDirectory" in properties
    assert "spark.history.ui.title=t" in properties


def test_a_folder_needs_no_jars() -> None:
    assert [sets_of_place(each) for each in ("", "/logs", "file:///logs", event_log.DIRECTORY)] == [()] * 4


def test_a_history_server_reads_the_claim_that_jobs_write_to(kube: InProcessClient) -> None:
    pod = kube.create(PODS, server(conf={"spark.history.ui.title": "two words"}))

    options = env_of(pod)["SPARK_HISTORY_OPTS"]
    assert f"-Dspark.history.fs.logDirectory={event_log.DIRECTORY}" in options
    assert "'-Dspark.history.ui.title=two words'" in options
    assert pod["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] == event_log.PATH
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == event_log.CLAIM


def test_a_history_server_over_a_bucket_needs_no_claim() -> None:
    pod = server(directory="s3a://b/events")

    assert "-Dspark.history.fs.logDirectory=s3a://b/events" in env_of(pod)["SPARK_HISTORY_OPTS"]
    assert pod["spec"]["volumes"] == []


def test_containers_do_not_see_a_folder_of_event_logs(kube: InProcessClient, tmp_path: Path) -> None:
    kube.add_node("docker")

    with pytest.raises(SpecError, match="which pods of provider docker do not see"):
        check_events(kube, "default", str(tmp_path), is_here=True)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_local_processes_see_a_folder_that_is_there(kube: InProcessClient, tmp_path: Path, scheme: str) -> None:
    kube.add_node("process")
    missing = f"{scheme}{tmp_path}/missing"

    check_events(kube, "default", f"{scheme}{tmp_path}", is_here=True)
    check_events(kube, "default", missing, is_here=False)
    with pytest.raises(SpecError, match="missing is no folder of this machine"):
        check_events(kube, "default", missing, is_here=True)


def test_a_history_server_tells_which_logs_it_reads() -> None:
    place = "s3://b/logs"
    spec = services.history_spec(place, spark="4.3.0", image="", heap="1g", conf={})
    told = [spec.labels, *(server(directory=each)["metadata"]["labels"] for each in (f"{place}/", "s3://b/others"))]

    first, with_slash, others = (labels[services.EVENTS] for labels in told)
    assert first == with_slash != others


def test_only_one_that_has_not_ended_is_found_again(kube: InProcessClient) -> None:
    first = kube.create(PODS, server())["metadata"]["name"]
    kube.set_phase(first, "Failed")
    assert find_running(kube, "default", HISTORY) is None

    second = kube.create(PODS, server())["metadata"]["name"]

    found = find_running(kube, "default", HISTORY)
    assert found is not None
    assert found["metadata"]["name"] == second


def test_stopping_takes_away_what_has_ended_and_names_what_ran(kube: InProcessClient) -> None:
    ended, runs = (kube.create(PODS, server())["metadata"]["name"] for _ in range(2))
    kube.set_phase(ended, "Failed")
    kube.set_phase(runs, "Running")

    assert stop_all(kube, "default", HISTORY) == [runs]

    assert kube.get(PODS)["items"] == []
    assert stop_all(kube, "default", HISTORY) == []


def test_a_server_is_up_when_it_says_so(kube: InProcessClient) -> None:
    pod = kube.create(PODS, server())
    name = pod["metadata"]["name"]

    def look(_seconds: float) -> None:
        kube.set_phase(name, "Running")
        kube.logs[name] = f"{kube.logs.get(name, 'something else')}\n{UP}"

    up, line = wait_until_up(kube, pod, HISTORY, monotonic=lambda: 0.0, sleep=look)

    assert up["status"]["phase"] == "Running"
    assert line == UP


def test_a_server_that_ends_at_once_is_told_with_its_last_words(kube: InProcessClient) -> None:
    pod = kube.create(PODS, server())
    kube.logs[pod["metadata"]["name"]] = "ClassNotFoundException"
    kube.set_phase(pod["metadata"]["name"], "Failed")

    with pytest.raises(ServiceFailed, match=r"has ended\.\n  ClassNotFoundException"):
        wait_until_up(kube, pod, HISTORY, sleep=lambda _seconds: None)


def test_a_server_that_does_not_come_up_is_not_waited_for_for_ever(kube: InProcessClient) -> None:
    pod = kube.create(PODS, server())
    clock = itertools.count(0.0, 100.0)

    with pytest.raises(ServiceFailed, match=r"not up after 300 s \(Pending\)"):
        wait_until_up(kube, pod, HISTORY, monotonic=lambda: next(clock), sleep=lambda _seconds: None)


def connect_job(*, is_on_this_host: bool = False, **changed: Any) -> JobSpec:  # Any: its fields
    spec = JobSpec(application="local:///replaced.py", name="spark-connect", **changed)
    return services.connect_spec(spec, idle_seconds=90, secret="t", is_on_this_host=is_on_this_host)


def test_a_connect_server_takes_its_token_from_a_secret_that_goes_with_it(kube: InProcessClient) -> None:
    driver = kube.get(submit(kube, connect_job(), suffix="0a", beside=[services.token_secret("t", "s3cret")]).path)

    secret = kube.get("/api/v1/namespaces/default/secrets/t")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == driver["metadata"]["uid"]
    assert env_of(driver)[services.TOKEN_VARIABLE] == {"secretKeyRef": {"name": "t", "key": "token"}}
    assert services.secret_of(driver) == "t"
    assert services.token_of(secret) == "s3cret"
    assert "s3cret" not in str(driver)
    assert find_running(kube, "default", services.CONNECT) is not None


def test_a_connect_server_of_this_machine_listens_on_its_loopback_alone() -> None:
    here, elsewhere = connect_job(is_on_this_host=True), connect_job()

    assert (here.args, here.conf["spark.connect.grpc.binding.port"]) == (("90", "127.0.0.1"), "0")
    assert elsewhere.args == ("90", "pod-ip")
    assert elsewhere.conf["spark.connect.grpc.binding.port"] == "15002"


def test_plugins_of_the_users_own_stay() -> None:
    job = connect_job(conf={"spark.plugins": "com.example.Own"})

    assert job.conf["spark.plugins"] == f"com.example.Own,{services.PLUGIN}"


def test_a_spark_without_connect_is_refused() -> None:
    with pytest.raises(SpecError, match=r"3\.5\.9 comes without Spark Connect: --spark"):
        connect_job(spark="3.5.9")


def test_a_server_is_not_tried_again() -> None:
    with pytest.raises(SpecError, match="--max-attempts"):
        connect_job(max_attempts=2)


def test_what_the_program_says_has_its_port() -> None:
    assert services.listening_port(f"{LISTENS} 41234") == 41234


@pytest.mark.parametrize(("host", "shown"), [("spark.example.com", "spark.example.com"), ("::1", "[::1]")])
def test_the_url_wants_tls_for_its_token(host: str, shown: str) -> None:
    url = services.connect_url(host=host, port=41234, token="a_b-c")

    assert url == f"sc://{shown}:41234/;use_ssl=true;token=a_b-c"


@pytest.mark.parametrize(
    ("seen", "idle_seconds"),
    [
        ([], 100),
        ([{"now": 40, "last_call_at": 30.0}], 70),
        ([{"now": 40, "is_busy": True}], 60),
        ([{"now": 40, "jobs": 3}], 60),
        ([{"now": 40, "jobs": 3}, {"now": 50, "jobs": 3}], 60),
        ([{"now": 40, "last_call_at": 30.0}, {"now": 50, "last_call_at": 0.0}], 70),
    ],
    ids=["never used", "a call", "a query runs", "a job ran", "and no other since", "its session was closed"],
)
def test_a_server_is_idle_since_its_last_use(seen: list[dict[str, Any]], idle_seconds: float) -> None:
    idleness = Idleness(0.0)

    for each in seen:
        idleness.look(**{"last_call_at": 0.0, "is_busy": False, "jobs": 0, **each})

    assert idleness.seconds(100.0) == idle_seconds


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:8001", True),
        ("https://[::1]:8001", True),
        ("http://localhost:8001", True),
        ("https://10.0.0.7:8001", False),
        ("https://abc.execute-api.us-east-1.amazonaws.com/api", False),
    ],
)
def test_pods_addresses_mean_something_only_beside_their_control_plane(url: str, is_here: bool) -> None:
    assert reach.is_here(Access(url)) is is_here


def test_a_port_of_a_task_is_reached_by_the_command_of_its_provider() -> None:
    task = "arn:aws:ecs:eu-west-1:123456789012:task/spark/0a1b"
    pod = {
        "metadata": {"name": "d", "annotations": {"sparkanywhere.io/task": task}},
        "spec": {"nodeName": "fargate-arm64"},
        "status": {"podIP": "10.0.3.9", "containerStatuses": [{"name": "main", "containerID": "0a1b-77"}]},
    }

    tunnel = reach.forward(Target(Access("https://plane.example.com")), pod, 4040, local_port=4141)

    assert str(tunnel) == (
        "aws ssm start-session --region eu-west-1 --target ecs:spark_0a1b_0a1b-77"
        " --document-name AWS-StartPortForwardingSessionToRemoteHost"
        " --parameters host=10.0.3.9,portNumber=4040,localPortNumber=4141"
    )
