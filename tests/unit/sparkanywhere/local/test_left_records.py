"""What an instance that goes hands over to the one that stays."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings
from chalicelib.plane.backends import build_storage, log_folder
from chalicelib.resources.pods.podrecords import RESOURCE
from chalicelib.storage.keys import object_key, prefix
from sparkanywhere.local.left_records import hand_over, has_records


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
    assert not has_records(lasting)
    assert not lasting.state_dir().exists()


def test_an_instance_knows_whether_it_keeps_records(ending: Settings, lasting: Settings) -> None:
    assert not has_records(ending)
    hand_over(ending, lasting)
    assert has_records(lasting)
