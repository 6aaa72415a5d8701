"""The control plane for a job: the user's own context, or one on this machine for this job alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from chalicelib.providers import registry
from sparkanywhere.cli.image_command import built
from sparkanywhere.cli.spark_command import installed
from sparkanywhere.client.access import NoAccess, Target, find_target
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.local.local_server import temporary_server
from sparkanywhere.local.stop_signals import signals_as_interrupt


@contextmanager
def local_plane(
    spec: JobSpec, *, provider: str | None, context: str, environ: Mapping[str, str]
) -> Iterator[Target]:
    """Yield where to submit: the named or current context, else a control plane of the job's own.

    A temporary one is started if `provider` is given, or if there is no kubeconfig.
    """
    if provider is None:
        try:
            yield find_target(environ, context=context, namespace=spec.namespace)
            return
        except NoAccess:
            if context or environ.get("KUBECONFIG"):
                raise
    provider = provider or registry.DEFAULT
    if registry.find(provider).image_engine is None:
        installed(spec.spark)
    elif not spec.image:
        built(spec.spark)
    with signals_as_interrupt(), temporary_server(environ, prefix="job", provider=provider) as server:
        yield Target(server.start(), spec.namespace)
