"""A control plane for its starter alone: `run` takes one where no server runs, and so does `Client.local()`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from chalicelib.config import Settings
from chalicelib.providers import registry
from sparkanywhere.client.access import Target
from sparkanywhere.jobs.working_folder import callers_folder
from sparkanywhere.local.local_server import temporary_server
from sparkanywhere.spark.progress import silent
from sparkanywhere.spark.spark_distribution import ensure


@contextmanager
def own_plane(environ: Mapping[str, str], *, provider: str, namespace: str = "default") -> Iterator[Target]:
    """Yield a control plane that ends with the `with`, and takes along all that it runs then. Raises ServerFailed.

    What is known of its pods goes to the laptop's own control plane, whose commands and page show it for a day.
    """
    shared = {"SPARKANYWHERE_HOST_PATHS": callers_folder(), **environ}
    with temporary_server(shared, prefix="job", provider=provider, hands_over=True) as server:
        yield Target(server.start(), namespace)


def get_spark(environ: Mapping[str, str], *, provider: str, version: str) -> None:
    """Have the Spark that a provider's pods run, which may take a download or the build of an image. May be repeated.

    Raises SparkUnavailable, ImageFailed, ProviderUnavailable.
    """
    if not registry.find(provider).launches:
        return
    settings = Settings.from_env(environ)
    declaration, cache = registry.find(provider), settings.cache_dir(environ)
    if declaration.image_engine is None:
        ensure(version, cache=cache, environ=environ)
        return
    from sparkanywhere.spark.image import ensure_image  # needs an engine's client, an extra

    with closing(declaration.image_engine(settings.provider_context(declaration, environ))) as engine:
        ensure_image(engine, version, cache=cache, environ=environ, progress=silent)
