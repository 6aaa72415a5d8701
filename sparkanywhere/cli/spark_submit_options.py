"""spark-submit's own options that no job has here: what they mean to `run`, or the sentence by which it refuses them.

The others of spark-submit are fields of a JobSpec. Reference: `spark-submit --help` of Spark 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

import click

from sparkanywhere.jobs.spec import JobSpec, SpecError

# option -> (whether it takes a value, what to do instead)
REFUSED: Mapping[str, tuple[bool, str]] = {
    "--supervise": (False, "--max-attempts N says how often a failed driver is started."),
    "--load-spark-defaults": (False, "name the file by --properties-file."),
    "--queue": (True, "there are no queues here; --namespace keeps jobs apart."),
    "--proxy-user": (True, "a job runs as its ServiceAccount: --service-account."),
    "--principal": (True, "there is no Kerberos here; --secret mounts credentials."),
    "--keytab": (True, "there is no Kerberos here; --secret mounts credentials."),
    "--remote": (True, "that is Spark Connect's: `sparkanywhere connect` starts a server and prints its URL."),
}
DEPLOY_MODES = ("cluster", "client")
K8S = "k8s://"


def spark_submit_options(command: Any) -> Any:  # Any: a function that click decorates
    """Give a command spark-submit's options beside those of the job; their values are in `master` and so on."""
    for name, (takes_value, instead) in REFUSED.items():
        kind = {"metavar": "VALUE"} if takes_value else {"is_flag": True}
        option = click.option(name, hidden=True, expose_value=False, callback=_refusal(name, instead), **kind)
        command = option(command)
    for option in (
        click.option("--total-executor-cores", type=click.IntRange(1), hidden=True),
        click.option("--deploy-mode", type=click.Choice(DEPLOY_MODES), hidden=True, expose_value=False),
        click.option("--master", default="", metavar="URL", help="k8s://URL of a context, or local."),
        click.option("--status", default="", metavar="ID", help="The same as `describe`."),
        click.option("--kill", default="", metavar="ID", help="The same as `kill`."),
    ):
        command = option(command)
    return command


def _refusal(name: str, instead: str) -> Callable[..., None]:
    def refuse(context: click.Context, _parameter: click.Parameter, value: Any) -> None:  # Any: a text or a flag
        if value:
            raise click.UsageError(f"{name}: {instead}", context)

    return refuse


def other_command(options: Mapping[str, Any], context: str) -> list[str]:  # Any: click's values
    """Return the command line that --status or --kill stands for, [] where neither is given. Raises SpecError.

    An id may be namespace:name, as spark-submit has it on Kubernetes.
    """
    if options["status"] and options["kill"]:
        raise SpecError("--status shows an application, and --kill ends one: leave one of them out.")
    for option, command in (("status", "describe"), ("kill", "kill")):
        if wanted := options[option]:
            if options["application"]:
                raise SpecError(f"--{option} {wanted} runs nothing: leave {options['application']} out.")
            before, colon, name = wanted.partition(":")
            namespace = before if colon else options["namespace"]
            where = (*(("--context", context) if context else ()), *(("-n", namespace) if namespace else ()))
            return [command, *where, name if colon else before]
    return []


def executors_of(total_cores: int, spec: JobSpec, given: Collection[str]) -> JobSpec:
    """Return a job with as many executors as have --total-executor-cores together, at least. Raises SpecError."""
    if "executors" in given:
        raise SpecError("--total-executor-cores and --executors both say how many executors: leave one of them out.")
    return replace(spec, executors=ceil(total_cores / spec.executor_cores))


def context_of(master: str, contexts: Mapping[str, str]) -> str:
    """Return the context whose server --master k8s://URL names; `contexts` are their URLs. Raises SpecError."""
    if not master.startswith(K8S):
        raise SpecError(f"--master {master}: jobs run on a control plane here: k8s://URL, or local for this machine.")
    url = master.removeprefix(K8S).rstrip("/")
    for name, server in contexts.items():
        if server.rstrip("/") in (url, f"https://{url}"):
            return name
    raise SpecError(
        f"--master {master} is no control plane of your kubeconfig; it has: {', '.join(contexts) or 'none'}."
    )


def is_local(master: str) -> bool:
    """Return whether --master asks for this machine: local, local[4], local[*], local-cluster[2,1,1024]."""
    return master.partition("[")[0] in ("local", "local-cluster")
