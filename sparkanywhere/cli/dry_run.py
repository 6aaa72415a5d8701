"""`sparkanywhere run --dry-run`: what would run, where and at what price. Nothing is created or started."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from chalicelib.providers import registry
from chalicelib.providers.registry import reference_prices
from sparkanywhere.cli.output import is_for_programs, print_records, print_table
from sparkanywhere.cli.target_options import errors_as_sentences
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import LAPTOP, OWN_PLANE, NothingHere, find_target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.capacity import check_capacity, find_provider
from sparkanywhere.jobs.estimate import Estimate, Pods, estimate
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.user_python import check_python


def dry_run(spec: JobSpec, *, context: str, provider: str | None, output: str, what: str = "") -> None:
    """Print what would run, or do `what` says. Exits with one sentence where it would be refused."""
    with errors_as_sentences():
        place, runs_on = OWN_PLANE, registry.find(provider or registry.DEFAULT)
        target = None
        if provider is None:
            with suppress(NothingHere):
                target = find_target(os.environ, context=context, namespace=spec.namespace, lasting=True)
        if target is not None:
            client = KubeClient(target.access)
            check_capacity(client, spec, say=partial(echo, err=True))
            place, runs_on = target.where, find_provider(client) or runs_on
        is_here = target is None or target.context.partition("/")[0] == LAPTOP
        if is_here and runs_on.launches and runs_on.image_engine is None:
            check_python(spec, os.environ)
    found, prices = estimate(spec, reference_prices().rates), reference_prices()
    if is_for_programs(output):
        about = {"application": spec.application, "args": list(spec.args), "name": spec.app_name, "where": place}
        about |= {"namespace": spec.namespace, "provider": runs_on.name, "image": spec.image_name}
        print_records({**about, **asdict(found), "seller": prices.seller, "prices_of": prices.date}, output)
        return
    what = what or f"{shlex.join((spec.application, *spec.args))} would run"
    echo(f"{what} {place} (provider {runs_on.name}), as {spec.app_name}:")
    print_table(("", "PODS", "CORES", "MIB", "$/H"), [_row("driver", found.driver), _row("executors", found.executors)])
    free = "" if runs_on.price_list else "It costs nothing here; on "
    echo(f"{free}{prices.seller}{'' if free else ':'} {_price(found)}, by the list prices of {prices.date}.")
    echo("Nothing was created.", err=True)


def _row(role: str, pods: Pods) -> tuple[Any, ...]:  # Any: texts and numbers
    return role, pods.count, f"{pods.cpu:g}", pods.memory_mib, f"{pods.usd_per_hour:.4f}"


def _price(found: Estimate) -> str:
    most = "" if found.usd_at_most is None else f", at most ${found.usd_at_most:.4f} in all"
    return f"${found.usd_per_hour:.4f} an hour{most}"
