"""The commands `doctor`, what a job needs and lacks here or on AWS, and `down`, what control planes left here."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import click
import psutil

from chalicelib.config import Settings
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.aws.finding import Finding
from sparkanywhere.cli.completion import contexts
from sparkanywhere.cli.output import is_for_programs, output_option, print_records
from sparkanywhere.cli.smoke_job import SmokeFailed, smoke_job
from sparkanywhere.cli.target_options import errors_as_sentences, open_target, say_where
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import LAPTOP, NothingHere, find_target, where
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient, NoAccess, NotKubernetes
from sparkanywhere.client.printable import one_line
from sparkanywhere.client.server_records import living_servers
from sparkanywhere.local.instance_lock import InstanceLock
from sparkanywhere.local.left_records import keep_logs, record_ended
from sparkanywhere.local.local_server import ServerFailed
from sparkanywhere.local.providers import remove_leftovers
from sparkanywhere.spark.java_wrapper import missing_because

DISK_GB = 3.0  # a Spark, its image, and room for logs
JOB_GB = 2.0  # memory of a driver and two small executors
IMAGE = "apache/spark:4.0.1"  # the quickstart's
MARKS = {"ok": "ok", "warning": "! ", "failure": "!!", "unknown": "? "}


def finding(what: str, is_good: bool, text: str, advice: str = "") -> Finding:
    """Return one thing looked at on this machine; `advice` is what to do if not `is_good`."""
    return Finding(what, "ok" if is_good else "failure", text, "" if is_good else advice)


def findings() -> Iterator[Finding]:
    """Yield what is there and what is not, in the order a job would miss it."""
    settings = Settings.from_env()
    version = ".".join(map(str, sys.version_info[:3]))
    yield finding("python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer.")
    free = psutil.virtual_memory().available / 1e9
    yield finding("memory", free > JOB_GB, f"{free:.1f} GB free", "Free some memory, or ask for fewer executors.")
    cache = settings.cache_dir()
    there = next(each for each in (cache, *cache.parents) if each.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        yield finding("cache", False, f"{there} is no folder that you may write to", "Set SPARKANYWHERE_CACHE.")
    free = shutil.disk_usage(there).free / 1e9
    yield finding("disk", free > DISK_GB, f"{free:.1f} GB free at {there}", "Free some, or set SPARKANYWHERE_CACHE.")
    java = os.environ.get("JAVA_HOME") or shutil.which("java")
    yield finding("java", True, java or "none; the first job downloads one from PyPI")
    slow = {each: missing_because(each) for each in spark_homes(cache)}
    versions = ", ".join(f"{each.name} (it starts slower: {why})" if why else each.name for each, why in slow.items())
    yield finding("spark", True, versions or "none; the first job downloads it (some 450 MB)")
    for each in registry.declarations():
        text = each.summary
        if each.check is not None:
            try:
                text = each.check(settings.provider_context(each))
            except ProviderUnavailable as error:
                text = f"not available; only --provider {each.name} needs it. {error.message}"
        if each.not_honoured:
            text += f"; does not honour {', '.join(each.not_honoured)}"
        yield finding(each.name, True, text)
    try:
        target = find_target(os.environ)
        release = KubeClient(target.access).get("/version").get("gitVersion")
        if not release:
            raise NotKubernetes(target.access.url)
        yield finding("control plane", True, f"{target.where}, {target.access.url} ({release})")
    except NothingHere:
        yield finding("control plane", True, "none runs on this laptop; `run` starts one of its own")
    except (NoAccess, ApiError, ApiUnreachable) as error:
        advice = "`sparkanywhere contexts` lists others, and `sparkanywhere use laptop` goes back to this machine."
        yield finding("control plane", False, str(error), advice)


def spark_homes(cache: Path) -> list[Path]:
    """Return the Sparks that are laid out in the cache, the newest last."""
    return sorted(each for each in (cache / "spark").glob("*") if (each / "jars").is_dir())


def try_job() -> Iterator[Finding]:
    """Yield what became of a pod that was run as `run` would run a job."""
    homes = spark_homes(Settings.from_env().cache_dir())
    try:
        yield finding("smoke job", True, smoke_job(os.environ, homes[-1] if homes else None))
    except NoAccess:
        return  # the finding before says it
    except (SmokeFailed, ServerFailed, ApiError, ApiUnreachable) as error:
        yield finding("smoke job", False, str(error), "`sparkanywhere serve` shows what the control plane says.")


@click.command()
@click.option(
    "--on", "context", default="", metavar="NAME", shell_complete=contexts, help="Check a deployment on AWS: a context."
)
@click.option("--image", "images", multiple=True, help=f"Image that tasks there should pull. Default: {IMAGE}")
@click.option("--function", default="", help="Name of the API's function, where its URL does not lead to it.")
@output_option()
def doctor(*, context: str, images: tuple[str, ...], function: str, output: str) -> None:
    """Check that this machine has what jobs need, by a small one as well, and say what to do about the rest.

    With --on, check a deployment on AWS instead: read-only, within 30 seconds, with your own AWS credentials.
    """
    if context and context.partition("/")[0] != LAPTOP:
        with errors_as_sentences():
            found = deployment_findings(context, images=images or (IMAGE,), function=function)
            sys.exit(tell(found, output))
    sys.exit(tell(chain(findings(), try_job()), output))


def deployment_findings(context: str, *, images: Sequence[str], function: str) -> Iterator[Finding]:
    """Yield what is there and what is not of the deployment that a context leads to, also where its token is gone.

    Raises Failure.
    """
    from sparkanywhere.aws.checkup import examine
    from sparkanywhere.aws.clients import Clients
    from sparkanywhere.aws.site import region_of
    from sparkanywhere.client.credentials import CredentialsMissing

    why_no_token = ""
    try:
        access = open_target(context=context, namespace="").access
    except CredentialsMissing as error:
        access, why_no_token = error.anonymous, str(error)
        say_where(where(context, access.url))
    clients = Clients(region_of(access.url))
    yield from examine(clients, access, images=images, function=function, why_no_token=why_no_token)


def tell(found: Iterable[Finding], output: str) -> int:
    """Print findings as they come; return the exit code: 1 if anything has failed."""
    told = []
    for each in found:
        told.append(each)
        if is_for_programs(output):
            continue
        echo(one_line(f"{MARKS[each.state]}  {each.what}: {each.text}"))
        if each.advice:
            echo(f"    {one_line(each.advice)}")
    if is_for_programs(output):
        records = [{"what": each.what, "is_good": each.is_good, "state": each.state} for each in told]
        texts = [{"text": each.text, "advice": each.advice or None} for each in told]
        print_records([record | text for record, text in zip(records, texts, strict=True)], output)
    return 0 if all(each.is_good for each in told) else 1


@click.command()
@click.option("--instance", help="Only this control plane; default: all that do not run now.")
def down(instance: str | None) -> None:
    """Remove processes, containers, networks and volumes that stopped control planes left running."""
    settings = Settings.from_env()
    root = settings.state_dir().parent
    folders = [root / instance] if instance else sorted(path for path in root.glob("*") if path.is_dir())
    for folder in folders:
        echo(f"{folder.name}: {clear(folder, settings)}")
    if not folders:
        echo(f"No control plane has left anything below {root}.")


def clear(folder: Path, settings: Settings) -> str:
    """Remove what the instance has left; return in words what was done."""
    if not folder.is_dir():
        return "there is no such control plane here"
    lock = InstanceLock(folder / "lock")
    if not lock.take():
        return f"its server runs (process {lock.holder()}): end that first"
    try:
        own = replace(settings, state=str(folder.parent), instance=folder.name)
        running = keep_logs(own)
        removed = remove_leftovers(folder, settings, providers=[settings.provider])
        record_ended(own, running, why="it was ended by `sparkanywhere down`")
        living_servers(folder.parent)  # clears the records of dead ones away
        for kubeconfig in folder.glob("kubeconfig*"):  # of servers that are not there any more
            kubeconfig.unlink()
    except ProviderUnavailable as error:
        return error.message
    finally:
        lock.release()
    return " and ".join(f"{count} {what}" for what, count in removed.items()) + " removed"
