"""What commands print for programs, and the habits of kubectl and docker, over one application that has failed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from sparkanywhere.__main__ import main
from sparkanywhere.client.access import find_target
from sparkanywhere.client.kube_client import KubeClient
from tests.contexts import context_of
from tests.functional.local_server import PROJECT, LocalServer, chalice_local
from tests.waiting import until

SCRIPT = "print('one\\ntwo\\nthree', flush=True); raise SystemExit(3)"
FIELDS = {
    *("id", "name", "namespace", "driver", "state", "cause", "exit_code", "created", "started", "ended", "seconds"),
    *("executors", "vcpu_seconds", "gib_seconds", "usd_on_fargate", "start_seconds", "start_advice"),
}
WAIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with chalice_local(tmp_path_factory.mktemp("state"), "--port", "0", "--provider", "process") as running:
        running.wait_until_ready()
        kube = client(running)
        kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "jobs"}})
        for namespace, name in (("default", "etl"), ("jobs", "other")):
            create(kube, namespace, name)
        yield running


def client(server: LocalServer) -> KubeClient:
    return KubeClient(find_target(context_of(server.kubeconfig)).access)


def create(kube: KubeClient, namespace: str, name: str) -> None:
    """Make a driver that prints three lines and exits with 3, and wait for its end."""
    labels = {"spark-role": "driver", "spark-app-selector": f"spark-{name}", "spark-app-name": name}
    container = {"name": "main", "image": "busybox", "command": [sys.executable, "-c", SCRIPT]}
    metadata = {"name": f"{name}-driver", "labels": labels}
    spec = {"restartPolicy": "Never", "containers": [container]}
    pods = f"/api/v1/namespaces/{namespace}/pods"
    kube.create(pods, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    until(lambda: kube.get(f"{pods}/{name}-driver")["status"].get("phase") == "Failed", "the pod to end")


def run(server: LocalServer, *line: str) -> Result:
    return CliRunner().invoke(main, line, env=context_of(server.kubeconfig))


def told(server: LocalServer, *line: str) -> Any:  # Any: JSON
    result = run(server, *line)
    assert result.exit_code in (0, 3), result.output
    return json.loads(result.stdout)


def test_an_application_has_the_same_fields_in_every_command(server: LocalServer) -> None:
    (listed,) = told(server, "ps", "-o", "json")
    described = told(server, "describe", "etl", "-o", "json")
    waited = told(server, "wait", "etl", "-o", "json")

    assert set(listed) == set(waited) == FIELDS
    assert set(described) == FIELDS | {"pods", "events"}
    for name in FIELDS - {"cause"}:
        assert listed[name] == described[name] == waited[name], name


def test_fields_are_numbers_times_and_null(server: LocalServer) -> None:
    (etl,) = told(server, "ps", "-o", "json")

    assert (etl["id"], etl["name"], etl["namespace"], etl["driver"]) == ("spark-etl", "etl", "default", "etl-driver")
    assert (etl["state"], etl["exit_code"], etl["executors"]) == ("Failed", 3, 0)
    created, started, ended = (datetime.fromisoformat(etl[name]) for name in ("created", "started", "ended"))
    assert created <= started <= ended
    assert all(isinstance(etl[name], float) for name in ("seconds", "vcpu_seconds", "gib_seconds", "usd_on_fargate"))
    used = told(server, "cost", "etl", "-o", "json")
    assert (used["usd_on_fargate"], used["id"]) == (etl["usd_on_fargate"], "spark-etl")


def test_pods_and_events_are_told_in_the_order_they_happened(server: LocalServer) -> None:
    found = told(server, "describe", "etl", "-o", "json")

    (pod,) = found["pods"]
    assert (pod["pod"], pod["role"], pod["exit_code"]) == ("etl-driver", "driver", 3)
    times = [event["at"] for event in found["events"]]
    assert times == sorted(times)
    assert {event["pod"] for event in found["events"]} == {"etl-driver"}


def test_why_it_failed_is_told_by_every_command(server: LocalServer) -> None:
    sentence = "exit code 3, and its last line is: three"

    assert run(server, "wait", "etl").stdout == f"etl-driver Failed: {sentence}\n"
    described = told(server, "describe", "etl", "-o", "json")
    assert [described["cause"], *(pod["cause"] for pod in described["pods"])] == [sentence] * 2
    assert f"Cause:        {sentence}\n" in run(server, "describe", "etl").stdout
    assert sentence in run(server, "ps").stdout
    assert run(server, "logs", "etl", "--errors").stdout == "Its log holds no errors.\n"
    refused = run(server, "logs", "etl", "--errors", "--follow")
    assert (refused.exit_code, "leave out --follow" in refused.stderr) == (2, True)


def test_yaml_names_and_wide_rows(server: LocalServer) -> None:
    assert yaml.safe_load(run(server, "ps", "-o", "yaml").stdout) == told(server, "ps", "-o", "json")
    assert run(server, "ps", "-o", "name").stdout == "etl-driver\n"
    title, row = run(server, "ps", "-o", "wide").stdout.splitlines()
    assert "EXIT_CODE" in title
    assert "spark-etl" in row


def test_all_namespaces_or_one(server: LocalServer) -> None:
    everywhere = {(each["namespace"], each["name"]) for each in told(server, "ps", "-A", "-o", "json")}

    assert everywhere == {("default", "etl"), ("jobs", "other")}
    assert [each["name"] for each in told(server, "ps", "-n", "jobs", "-o", "json")] == ["other"]
    assert run(server, "ps", "-n", "none").stderr.endswith("There are no applications in namespace none.\n")


def test_a_watched_list_tells_what_is_new(server: LocalServer) -> None:
    command = [sys.executable, "-m", "sparkanywhere", "ps", "--watch", "-n", "watched"]
    kube = client(server)
    kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "watched"}})
    environ = {**context_of(server.kubeconfig), "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        create(kube, "watched", "late")
        lines: list[str] = []
        while not lines or "Failed" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        process.terminate()

    assert lines[0].startswith("APPLICATION")
    assert all(line.startswith("late ") for line in lines[1:])


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ((), ["one", "two", "three"]),
        (("--tail", "1"), ["three"]),
        (("--tail", "0"), []),
        (("--since", "1h"), ["one", "two", "three"]),
        (("-f", "--tail", "2"), ["two", "three"]),
    ],
)
def test_a_log_is_shown_as_kubectl_would(server: LocalServer, options: tuple[str, ...], lines: list[str]) -> None:
    assert run(server, "logs", "etl", *options).stdout.splitlines() == lines


def test_a_log_has_the_time_of_each_line(server: LocalServer) -> None:
    first = run(server, "logs", "etl", "--timestamps").stdout.splitlines()[0]

    time, _, text = first.partition(" ")
    assert text == "one"
    assert datetime.fromisoformat(time[:19])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (("logs", "etl", "-n", "3"), "-n is --namespace, and there is nothing in 3: --tail 3 prints so many lines."),
        (("logs", "etl", "--since", "soon"), "'soon' is no span of time: write 90s, 10m or 1h30m."),
        (("logs", "etl", "--tail", "-1"), "-1 is not in the range x>=0."),
        (("ps", "-o", "xml"), "'xml' is not one of"),
    ],
)
def test_a_wrong_option_is_one_sentence(server: LocalServer, line: tuple[str, ...], sentence: str) -> None:
    result = run(server, *line)

    assert result.exit_code == 2
    assert sentence in result.stderr.splitlines()[-1]


def test_a_dry_run_says_where_and_creates_nothing(server: LocalServer) -> None:
    kube = client(server)
    before = kube.get("/api/v1/pods")["items"]

    found = told(server, "run", "--dry-run", "--time-limit", "3600", "-o", "json", "local:///etl.py", "--day", "7")
    refused = run(server, "run", "--dry-run", "--executor-memory", "90000g", "local:///etl.py")

    assert (found["args"], found["name"], found["provider"]) == (["--day", "7"], "etl", "process")
    assert (found["executors"]["count"], found["executors"]["memory_mib"]) == (2, 1433)
    assert found["usd_at_most"] == found["usd_per_hour"] > found["driver"]["usd_per_hour"] > 0
    assert refused.exit_code == 2
    assert "--executor-memory 90000g makes a pod of" in refused.stderr
    assert kube.get("/api/v1/pods")["items"] == before


def test_applications_are_completed(server: LocalServer) -> None:
    words = {"COMP_WORDS": "sparkanywhere logs e", "COMP_CWORD": "2", "_SPARKANYWHERE_COMPLETE": "bash_complete"}

    result = CliRunner().invoke(main, [], prog_name="sparkanywhere", env={**context_of(server.kubeconfig), **words})

    assert result.output.split() == ["plain,etl"]
