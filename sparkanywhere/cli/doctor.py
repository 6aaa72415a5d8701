"""`sparkanywhere doctor`: what a job needs on this machine, what is there, and what to do about the rest."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click
import psutil

from chalicelib.config import Settings
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.client.access import NoAccess, find_target
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient

DISK_GB = 3.0  # a Spark, its image, and room for logs
JOB_GB = 2.0  # memory of a driver and two small executors


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `advice` says what to do where `is_good` is false."""

    what: str
    is_good: bool
    text: str
    advice: str = ""


def findings() -> Iterator[Finding]:
    """Yield what is there and what is not, in the order a job would miss it."""
    yield _python()
    yield _memory()
    yield _disk()
    yield _java()
    yield _spark()
    yield from _providers()
    yield _control_plane()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer.")


def _memory() -> Finding:
    free = psutil.virtual_memory().available / 1e9
    return Finding(
        "memory", free > JOB_GB, f"{free:.1f} GB free", "Free some memory, or ask for fewer executors."
    )


def _disk() -> Finding:
    cache = Settings.from_env().cache_dir()
    there = next(each for each in (cache, *cache.parents) if each.exists())
    free = shutil.disk_usage(there).free / 1e9
    return Finding(
        "disk", free > DISK_GB, f"{free:.1f} GB free at {there}", "Free some, or set SPARKANYWHERE_CACHE."
    )


def _java() -> Finding:
    java = shutil.which("java")
    where = os.environ.get("JAVA_HOME") or java
    text = str(where) if where else "none; one from PyPI will be fetched when a Spark is laid out"
    return Finding("java", True, text)


def _spark() -> Finding:
    folder = Settings.from_env().cache_dir() / "spark"
    versions = sorted(each.name for each in folder.glob("*") if (each / "jars").is_dir())
    return Finding(
        "spark", True, ", ".join(versions) or "none laid out yet; the first job does it (some 450 MB)"
    )


def _providers() -> Iterator[Finding]:
    settings = Settings.from_env()
    for each in registry.declarations():
        if each.check is not None:
            try:
                text = each.check(settings.provider_context(each))
            except ProviderUnavailable as error:
                text = f"not there; only --provider {each.name} needs it. {error.message}"
            yield Finding(each.name, True, text)


def _control_plane() -> Finding:
    try:
        target = find_target(os.environ)
        version = KubeClient(target.access).get("/version")["gitVersion"]
    except NoAccess:
        return Finding("control plane", True, "none known; submit starts one of its own")
    except (ApiError, ApiUnreachable) as error:
        advice = "Start it (sparkanywhere serve), or choose another context."
        return Finding("control plane", False, str(error), advice)
    return Finding("control plane", True, f"{target.access.url} ({version})")


@click.command()
def doctor() -> None:
    """Look at what jobs need here, and say what to do about what is missing."""
    is_good = True
    for each in findings():
        is_good &= each.is_good
        click.echo(f"{'ok' if each.is_good else '!!'}  {each.what}: {each.text}")
        if not each.is_good:
            click.echo(f"    {each.advice}")
    sys.exit(0 if is_good else 1)
