"""What an instance that goes hands over to the one that stays."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.controllers.causes.pod_cause import cause_of
from chalicelib.plane.backends import build_storage, log_folder
from chalicelib.resources.pods.podrecords import RESOURCE
from chalicelib.storage.keys import object_key, prefix
from sparkanywhere.local.left_records import hand_over, has_applications, record_ended


@pytest.fixture
def lasting(tmp_path: Path) -> Settings:
    return Settings(state=str(tmp_path))


@pytest.fixture
def ending(lasting: Settings) -> Settings:
    """Return an instance with a driver that runs, an executor that has failed, and a pod that is not Spark's."""
    settings = replace(lasting, instance="job-1")
    with closing(build_storage(settings)) as storage:
        for name, phase in (("driver", "Running"), ("executor", "Failed"), ("web", "Running")):
            labels = {} if name == "web" else {"spark-role": name}
            metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": labels}
            pod = {"metadata": metadata, "spec": {"containers": [{"name": "c"}]}, "status": {"phase": phase}}
            storage.create(object_key("pods", "default", name), pod)
            folder = log_folder(settings) / f"uid-{name}"
            folder.mkdir(parents=True)
            (folder / "c.log").write_text(name)
    return settings


def records(settings: Settings) -> dict[str, JSON]:
    with closing(build_storage(settings)) as storage:
        found = [item.object() for item in storage.list(prefix(RESOURCE)).items]
    return {each["pod"]["metadata"]["name"]: each for each in found}


def test_pods_that_are_still_there_become_records_with_their_logs(ending: Settings, lasting: Settings) -> None:
    hand_over(ending, lasting)

    states = {name: record["state"] for name, record in records(lasting).items()}
    assert states == {"driver": "Killed", "executor": "Failed"}
    assert (log_folder(lasting) / "uid-driver" / "c.log").read_text() == "driver"


def test_handing_over_twice_changes_nothing(ending: Settings, lasting: Settings) -> None:
    hand_over(ending, lasting)
    before = records(lasting)

    hand_over(ending, lasting)

    assert records(lasting) == before


def test_what_cannot_be_handed_over_ends_nothing(ending: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    hand_over(ending, replace(ending, state=str(tmp_path / "file")))


def test_nothing_is_made_for_nothing(lasting: Settings) -> None:
    hand_over(replace(lasting, instance="job-2"), lasting)

    assert not lasting.state_dir().exists()


def test_an_instance_that_never_was_keeps_nothing_and_is_not_made(lasting: Settings) -> None:
    assert not has_applications(lasting)
    assert not lasting.state_dir().exists()


def test_pods_that_were_ended_without_a_server_become_records_that_say_so(ending: Settings) -> None:
    running = {"name": "c", "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    with closing(build_storage(ending)) as storage:
        key = object_key("pods", "default", "driver")
        item = storage.get(key)
        pod = item.object()
        pod["status"]["containerStatuses"] = [running]
        storage.update(key, pod, expected_revision=item.revision)

    for _ in range(2):  # it may be repeated
        record_ended(ending, {"uid-driver", "uid-executor", "uid-web"}, why="somebody ended it")

    (record,) = records(ending).values()
    (status,) = record["pod"]["status"]["containerStatuses"]
    assert (record["state"], cause_of(record["pod"])) == ("Killed", "somebody ended it")
    assert status["state"]["terminated"]["finishedAt"] == record["deletionTime"]
    with closing(build_storage(ending)) as storage:
        left = [item.object()["metadata"]["name"] for item in storage.list(prefix("pods")).items]
    assert left == ["executor", "web"]  # which had failed, and which is not Spark's


def test_pods_of_spark_that_a_killed_server_has_left_are_known(ending: Settings) -> None:
    assert has_applications(ending)
