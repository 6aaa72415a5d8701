"""A POST waits for the launch of its pod on Lambda, where nothing goes on after the answer, and nowhere else.

Where the control plane lives decides that, whichever store it keeps its objects in.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.config import Settings
from chalicelib.plane.control_plane import ControlPlane
from chalicelib.plane.host import LAMBDA, LONG_LIVED, Host, choose_host
from chalicelib.providers.base import Task, TaskState
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates
from sparkanywhere.local.local_settings import LocalOptions, environment, resolve
from tests.api_client import PODS, ApiClient, pod
from tests.contract.storage_backends import StoreFactory
from tests.fake_provider import FakeProvider

LAUNCH_SECONDS = 10.0  # longer than anybody waits here
SHORT_SECONDS = 0.2


class SlowProvider(FakeProvider):
    """Takes its time to start a task, or until it may go on."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__()
        self.may_go_on = threading.Event()
        self._seconds = seconds

    def run(self, task: Task) -> TaskState:
        """Start the task late."""
        self.may_go_on.wait(self._seconds)
        return super().run(task)


def local_settings(state: Path, storage: str) -> Settings:
    """Return the settings of `chalice local --storage`, and make the certificates that they name, as it does."""
    environ = {"SPARKANYWHERE_STATE": str(state)}
    local = resolve(LocalOptions(storage=storage), environ)
    ensure_certificates(CertificateFiles(local.tls_folder), frozenset({local.host}), datetime.now(UTC))
    return Settings.from_env({**environ, **environment(local, environ)})


@pytest.fixture
def storage_name(request: pytest.FixtureRequest) -> str:
    """Return what the setting STORAGE calls the store of this test."""
    return "dynamodb" if "dynamodb" in request.node.name else "sqlite"


def test_a_post_does_not_wait_for_the_launch_where_threads_live_on(
    store_factory: StoreFactory, storage_name: str, tmp_path: Path
) -> None:
    provider = SlowProvider(seconds=LAUNCH_SECONDS)
    plane = ControlPlane(local_settings(tmp_path, storage_name), storage=store_factory.open(), provider=provider)

    reply = ApiClient(plane).request("POST", PODS, pod("p"))

    assert reply.status == 201
    assert provider.tasks == []
    provider.may_go_on.set()
    plane.close()


def test_a_post_waits_for_the_launch_on_lambda(store_factory: StoreFactory, storage_name: str, tmp_path: Path) -> None:
    provider = SlowProvider(seconds=SHORT_SECONDS)
    plane = ControlPlane(
        local_settings(tmp_path, storage_name), host=LAMBDA, storage=store_factory.open(), provider=provider
    )

    reply = ApiClient(plane).request("POST", PODS, pod("p"))

    assert reply.status == 201
    assert [task.name for task in provider.tasks] == ["p"]
    plane.close()


@pytest.mark.parametrize("storage", ["sqlite", "dynamodb"])
@pytest.mark.parametrize(
    ("environ", "host"), [({}, LONG_LIVED), ({"AWS_LAMBDA_FUNCTION_NAME": "sparkanywhere-prod"}, LAMBDA)]
)
def test_the_host_is_where_the_process_runs_and_not_what_it_stores_in(
    monkeypatch: pytest.MonkeyPatch, storage: str, environ: dict[str, str], host: Host
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert choose_host(Settings.from_env({"SPARKANYWHERE_STORAGE": storage})) == host


def test_watches_leave_as_the_setting_says_on_any_host() -> None:
    assert not choose_host(Settings(watch="buffered")).streams
    assert choose_host(Settings(watch="streamed")).streams


@pytest.mark.parametrize("storage", ["sqlite", "dynamodb"])
def test_a_long_lived_host_keeps_audit_lines_and_job_files_in_the_state_folder(
    stores: StoreFactory, storage: str, tmp_path: Path
) -> None:
    plane = ControlPlane(local_settings(tmp_path, storage), storage=stores.open(), provider=FakeProvider())

    ApiClient(plane).request("POST", PODS, pod("p"))

    assert plane.controllers.files is not None
    assert '"verb":"create"' in (tmp_path / "default" / "audit.log").read_text()
    plane.close()


def test_lambda_keeps_no_files_without_a_bucket(stores: StoreFactory, tmp_path: Path) -> None:
    settings = Settings(storage="dynamodb", provider="none", state=str(tmp_path))

    plane = ControlPlane(settings, host=LAMBDA, storage=stores.open())

    assert plane.controllers.files is None
    assert list(tmp_path.iterdir()) == []
    plane.close()
