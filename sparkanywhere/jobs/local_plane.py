"""The control plane for a job: the user's own context, or one on this machine for this job alone."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from chalicelib.config import Settings
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.client.access import NoAccess, Target, find_target
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.local.leftovers import remove_containers, remove_tasks
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.local.stop_signals import signals_as_interrupt, uninterrupted


@contextmanager
def local_plane(
    spec: JobSpec, *, provider: str | None, context: str, environ: Mapping[str, str]
) -> Iterator[Target]:
    """Yield where to submit: the named or current context, else a control plane of the job's own.

    One of its own is used where `provider` asks for it, or where no kubeconfig is there; nothing of it is left.
    """
    if provider is None:
        try:
            yield find_target(environ, context=context, namespace=spec.namespace)
            return
        except NoAccess:
            if context or environ.get("KUBECONFIG"):
                raise
    with _own(spec, provider or "process", environ) as target:
        yield target


@contextmanager
def _own(spec: JobSpec, provider: str, environ: Mapping[str, str]) -> Iterator[Target]:
    _prepare(spec, provider)
    settings = Settings.from_env(environ)
    options = ServerOptions(
        state=settings.state_dir().parent, instance=f"job-{uuid.uuid4().hex[:8]}", provider=provider
    )
    server = LocalServer(options, environ)
    with signals_as_interrupt():
        try:
            yield Target(server.start(), spec.namespace)
        finally:
            with uninterrupted():
                server.stop()
                remove_tasks(server.folder)
                with suppress(ProviderUnavailable):  # then they went with it, or `make down` removes them
                    remove_containers(server.folder, settings)
                shutil.rmtree(Path(server.folder), ignore_errors=True)


def _prepare(spec: JobSpec, provider: str) -> None:
    """Have Spark on this machine, as a folder or as an image; shows its progress the first time."""
    if provider == "docker":
        if not spec.image:
            from sparkanywhere.cli.image_command import built

            built(spec.spark)
        return
    from sparkanywhere.cli.spark_command import installed

    installed(spec.spark)
