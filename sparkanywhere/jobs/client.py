"""The Python API: `from sparkanywhere import Client`. Synchronous, and usable from Airflow tasks and notebooks.

client = Client()                                # where the commands work, too: `sparkanywhere contexts` tells
app = client.submit(JobSpec(application="my_job.py", executors=4))
app.wait()
print(app.logs())

with Client.local() as client:                   # a control plane of its own, as `sparkanywhere run` takes one
    client.submit(JobSpec(application="my_job.py")).wait()
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.usage import Usage
from chalicelib.providers import registry
from sparkanywhere.client.access import Target, find_target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.application_names import find_application
from sparkanywhere.jobs.applications import LIVE_STATES, Application, list_applications
from sparkanywhere.jobs.driver_job import has_ended
from sparkanywhere.jobs.ending import end_application
from sparkanywhere.jobs.failures import find_cause
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK, JOB_OPTIONS
from sparkanywhere.jobs.own_plane import get_spark, own_plane
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.submission import new_suffix, submit
from sparkanywhere.jobs.working_folder import callers_folder

LOOK_SECONDS = 1.0  # between two looks at a driver that is waited for
SILENCE_SECONDS = 60.0  # after which a followed log is opened anew


class JobTimeout(Exception):
    """The application has not ended in the time it was given; it runs on."""


class Client:
    """Submits to, and looks at, one control plane. Safe to share between threads.

    Which one is what the commands' rule says (client/access.py), `context` being their --on. Raises NoAccess where
    there is none: `sparkanywhere serve` starts one, and Client.local() too. Methods raise ApiError, ApiUnreachable.
    """

    def __init__(self, *, context: str = "", namespace: str = "", target: Target | None = None) -> None:
        self._target = target or find_target(os.environ, context=context, namespace=namespace)
        self._client = KubeClient(self._target.access)

    @classmethod
    @contextmanager
    def local(
        cls, *, provider: str = registry.DEFAULT, spark: str = DEFAULT_SPARK, namespace: str = "default"
    ) -> Iterator[Client]:
        """Yield a client of a control plane of its own on this machine, which ends with the `with`, and so do its jobs.

        It is started whatever else runs or is the default. Spark, or its image, is fetched where it is missing. Raises
        ServerFailed, SparkUnavailable, ImageFailed, ProviderUnavailable.
        """
        get_spark(os.environ, provider=provider, version=spark)
        with own_plane(os.environ, provider=provider, namespace=namespace) as target:
            yield cls(target=target)

    @property
    def where(self) -> str:
        """Return in words which control plane this is: "on this laptop", "on prod (https://...)"."""
        return self._target.where

    @property
    def namespace(self) -> str:
        """Return the namespace that applications are looked for in."""
        return self._target.namespace

    def submit(self, spec: JobSpec) -> App:
        """Bring a job's files, submit it and return. Each call is a job of its own. Raises SpecError, FileFailed.

        A job that names no namespace runs in the client's.
        """
        if spec.namespace == JOB_OPTIONS["namespace"].default:
            spec = replace(spec, namespace=self.namespace)
        if spec.auto_size:
            raise SpecError("auto_size is for `sparkanywhere run`, which stays to try again.")
        made = submit(self._client, spec, suffix=new_suffix(), folder=callers_folder())
        return App(self._client, spec.namespace, made.name)

    def applications(self) -> list[Application]:
        """Return what runs and what has ended and is still known, the youngest first."""
        return list_applications(self._client, self.namespace)

    def find(self, application: str) -> App:
        """Return an application by id, driver pod or name. Raises NoSuchApplication."""
        found = find_application(self._client, self.namespace, application)
        return App(self._client, self.namespace, found.driver_name)


class App:
    """One submitted application, known by its driver's pod, or by the Job that makes it (max_attempts)."""

    def __init__(self, client: KubeClient, namespace: str, driver: str) -> None:
        self._client = client
        self.namespace = namespace
        self.driver = driver

    def _found(self) -> Application:
        return find_application(self._client, self.namespace, self.driver)

    def pod(self) -> JSON:
        """Return the driver pod as it is now, that of the last attempt. Raises NoSuchApplication."""
        return self._driver_of(self._found())

    @staticmethod
    def _driver_of(found: Application) -> JSON:
        assert found.driver is not None  # it was found by its driver
        return found.driver

    @property
    def state(self) -> str:
        """Return Pending (between two attempts too), Running, Deleting, Succeeded, Failed or Killed."""
        found = self._found()
        is_over = found.state != "Failed" or has_ended(self._client, self.namespace, found)
        return found.state if is_over else "Pending"

    @property
    def cause(self) -> str:
        """Return why it failed, in one sentence, "" if it has not; it may take seconds of one that has just failed."""
        return find_cause(self._client, self.pod())

    def wait(
        self,
        timeout_seconds: float | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> str:
        """Block until the application has ended; return its state. Raises JobTimeout."""
        deadline = None if timeout_seconds is None else monotonic() + timeout_seconds
        while (state := self.state) in LIVE_STATES:
            if deadline is not None and monotonic() >= deadline:
                raise JobTimeout(f"{self.driver} is {state} after {timeout_seconds:g} s")
            sleep(LOOK_SECONDS)
        return state

    def logs(self) -> str:
        """Return what the driver has written so far."""
        found = self._found()
        return self._client.text(found.log_path(self.namespace, self._driver_of(found)))

    def follow(self) -> Iterator[str]:
        """Yield the driver's lines as they come, until it ends."""
        found = self._found()
        path = found.log_path(self.namespace, self._driver_of(found))
        return self._client.follow_log(path, seconds=SILENCE_SECONDS)

    def usage(self) -> Usage:
        """Return what it has used so far, pods that are gone included."""
        return self._found().usage(datetime.now(UTC))

    def kill(self) -> None:
        """End the application: its driver is deleted, and all that it owns with it."""
        end_application(self._client, self.namespace, self._found(), by="App.kill()")
