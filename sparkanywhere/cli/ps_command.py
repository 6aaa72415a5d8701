"""`sparkanywhere ps`: the applications of a namespace, or of all, once or as they change."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from textwrap import shorten

import click

from chalicelib.apimachinery.rules.meta import human_duration
from sparkanywhere.cli.output import is_for_programs, local_time, output_option, print_records, print_row, print_table
from sparkanywhere.cli.target_options import errors_as_sentences, looking_targets, say_where, target_options
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import NothingHere, Target
from sparkanywhere.client.kube_client import ApiUnreachable, KubeClient
from sparkanywhere.jobs.application_names import shown_names
from sparkanywhere.jobs.application_record import application_record
from sparkanywhere.jobs.applications import Application, list_applications

LOOK_SECONDS = 1.0  # between two looks of --watch
CAUSE_CHARACTERS = 60  # of a cause in a table; describe and -o wide have all of it


@click.command(epilog="Examples: sparkanywhere ps; sparkanywhere ps -A -w; sparkanywhere ps -o json")
@click.option("--all-namespaces", "-A", "everywhere", is_flag=True, help="Of every namespace.")
@click.option("--watch", "-w", is_flag=True, help="Go on: print each application that changes, until Ctrl-C.")
@output_option("wide", "name")
@target_options
def ps(*, context: str, namespace: str, everywhere: bool, watch: bool, output: str) -> None:
    """List applications, those that run and those of the last day: state, executors, times, cost and cause."""
    with errors_as_sentences():
        try:
            with ExitStack() as stack:
                targets = list(looking_targets(stack, context=context, namespace=namespace))
                say_where(targets[0].where if len(targets) == 1 else _places(targets))
                _list(targets, output, everywhere=everywhere, watch=watch)
        except NothingHere as nothing:  # where no server runs, and nothing is kept, there are no applications either
            echo(str(nothing), err=True)
            _print([], output, everywhere=everywhere, names={})


def _places(targets: Sequence[Target]) -> str:
    """Return in words where several places are, by the names that --on takes."""
    names = [each.context for each in targets if each.is_served]
    rest = "" if targets[-1].is_served else "; what else there is as last known"
    return f"on this laptop: {', '.join(names)}{rest}"


def _known(targets: Sequence[Target], everywhere: bool) -> list[Application]:
    """Return the applications of all places, the youngest first. Raises ApiError, ApiUnreachable."""
    found: dict[str, Application] = {}
    for each in targets:
        try:
            listed = list_applications(KubeClient(each.access), "" if everywhere else each.namespace)
        except ApiUnreachable:
            if len(targets) == 1:
                raise
            continue  # the server of a command that has ended meanwhile
        found |= {application.id: application for application in listed}
    now = datetime.now(UTC)
    return sorted(found.values(), key=lambda each: each.started_at or now, reverse=True)


def _list(targets: Sequence[Target], output: str, *, everywhere: bool, watch: bool) -> None:
    """Print the applications, once or as they change."""
    found = _known(targets, everywhere)
    if not found and output in ("text", "wide"):
        where = "" if everywhere else f" in namespace {targets[0].namespace}"
        echo(f"There are no applications{where}.", err=True)
    widths = _print(found, output, everywhere=everywhere, names=shown_names(found))
    while watch:
        time.sleep(LOOK_SECONDS)
        before = {each.id: _changing(each) for each in found}
        found = _known(targets, everywhere)
        for each in reversed(found):
            if before.get(each.id) != _changing(each):
                widths = _print([each], output, everywhere=everywhere, names=shown_names(found), widths=widths)


def _changing(application: Application) -> tuple[object, ...]:
    """Return what --watch looks at: not what only grows with time."""
    return application.state, application.running_executors, application.exit_code, application.cause


def _print(
    found: Sequence[Application], output: str, *, everywhere: bool, names: Mapping[str, str], widths: Sequence[int] = ()
) -> Sequence[int]:
    """Print applications; as further rows or records where `widths`, those of the columns, were returned before."""
    now = datetime.now(UTC)
    if output == "name":
        for each in found:
            echo(each.driver_name or each.id)
        return ()
    if is_for_programs(output):
        records = [application_record(each, now) for each in found]
        for told in records if widths else [records]:
            print_records(told, output)
        return (1,)
    rows = [_row(each, names[each.id], now, is_wide=output == "wide", everywhere=everywhere) for each in found]
    if not widths:
        return print_table(list(rows[0]), [list(row.values()) for row in rows]) if rows else ()
    for row in rows:
        print_row(list(row.values()), widths)
    return widths


def _row(each: Application, name: str, now: datetime, *, is_wide: bool, everywhere: bool) -> dict[str, object]:
    """Return an application's cells by their titles."""
    record = application_record(each, now)
    row: dict[str, object] = {
        **({"NAMESPACE": record["namespace"]} if everywhere else {}),
        "APPLICATION": name,
        "STATE": each.state,
        "EXECUTORS": each.shown_executors,
        "STARTED": local_time(each.started_at),
        "TOOK": human_duration(timedelta(seconds=each.seconds(now))),
        "COST": f"${each.usage(now).usd:.4f}",
    }
    if not is_wide:
        return {**row, "CAUSE": shorten(each.cause, CAUSE_CHARACTERS, placeholder="…")}
    more = {name.upper(): record[name] for name in ("id", "driver", "ended", "exit_code")}
    return {**row, **{title: "-" if cell is None else cell for title, cell in more.items()}, "CAUSE": each.cause}
