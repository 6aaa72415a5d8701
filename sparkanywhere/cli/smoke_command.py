"""`sparkanywhere smoke --on prod`: try a deployment on AWS, step by step, after saying what that proves and costs."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from sparkanywhere.aws.clients import AwsUnusable, Clients
from sparkanywhere.aws.site import NoSite, Site, find_site, region_of
from sparkanywhere.aws.smoke.ground import Ground
from sparkanywhere.aws.smoke.outcome import Outcome, StepFailed
from sparkanywhere.aws.smoke.recorder import Recorder
from sparkanywhere.aws.smoke.redaction import Redactor
from sparkanywhere.aws.smoke.step import Step
from sparkanywhere.aws.smoke.trial import STEPS, clear_away, run
from sparkanywhere.cli.completion import contexts
from sparkanywhere.cli.output import is_for_programs, output_option, print_records, print_table
from sparkanywhere.cli.target_options import FAILURE, USAGE, errors_as_sentences, fail, open_target
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import find_target
from sparkanywhere.client.printable import one_line
from sparkanywhere.local.stop_signals import StoppedBySignal, signals_as_interrupt, uninterrupted

SMALL = "public.ecr.aws/docker/library/busybox:stable"  # no limit to anonymous pulls, as Docker Hub has
IMAGES = {"small": SMALL, "spark4": "apache/spark:4.0.1", "spark3": "apache/spark:3.5.7"}
MARKS = {"ok": "ok", "failed": "!!", "not here": "- "}


@click.command("smoke")
@click.option("--on", "context", required=True, metavar="NAME", shell_complete=contexts, help="A context.")
@click.option("--only", "names", multiple=True, metavar="STEP", help="This step alone; repeatable.")
@click.option("--list", "lists", is_flag=True, help="Print the steps and end.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--image", default=SMALL, show_default=True, help="A small image with a shell, wget and stat.")
@click.option("--function", default="", help="Name of the API's function, where its URL does not lead to it.")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder for the records. Default: smoke-TIME.")
@output_option()
def smoke(
    *,
    context: str,
    names: Sequence[str],
    lists: bool,
    yes: bool,
    image: str,
    function: str,
    folder: Path | None,
    output: str,
) -> None:
    """Try a deployment on AWS: small steps, each with what it proves and costs; nothing is left afterwards.

    What the API and AWS answer is kept in a folder and a zip, without accounts, ids, addresses and tokens.
    """
    steps = _chosen(names)
    if lists:
        _print_steps(steps, output)
        return
    if not is_for_programs(output):
        _print_steps(steps, output)
    if not yes:
        click.confirm(f"Try this on {context}?", abort=True, err=True)
    made = folder or Path(f"smoke-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    with errors_as_sentences():
        ground = _ground(context, image=image, function=function, folder=made)
    sys.exit(_try(ground, steps, output))


def _chosen(names: Sequence[str]) -> Sequence[Step]:
    known = {each.name: each for each in STEPS}
    if unknown := [each for each in names if each not in known]:
        fail(f"There is no step {unknown[0]}: choose among {', '.join(known)}.", USAGE)
    return [known[each] for each in dict.fromkeys(names)] or STEPS


def _print_steps(steps: Sequence[Step], output: str) -> None:
    usd, minutes = sum(each.usd for each in steps), sum(each.minutes for each in steps)
    if is_for_programs(output):
        fields = ("name", "proves", "usd", "minutes")
        print_records([{name: getattr(each, name) for name in fields} for each in steps], output)
        return
    print_table(("STEP", "$", "MIN", "TRIES"), [(each.name, each.usd, each.minutes, each.proves) for each in steps])
    echo(f"{len(steps)} steps: at most ${usd:.2f} and {minutes:.0f} minutes.")


def _ground(context: str, *, image: str, function: str, folder: Path) -> Ground:
    """Return what the steps stand on. Raises Failure where the API or AWS cannot be used at all."""
    target = open_target(context=context, namespace="")
    clients = Clients(region_of(target.access.url))
    site, why = _site(clients, target.access.url, function)
    recorder = Recorder(folder, Redactor([target.access.token], account=site.account if site else ""))
    recorder.listen(clients.session)
    return Ground(
        target.access,
        clients,
        recorder,
        site=site,
        why_no_site=why,
        context=context,
        namespace=f"smoke-{secrets.token_hex(3)}",
        images={**IMAGES, "small": image},
        renew=lambda: find_target(os.environ, context=context).access,
    )


def _site(clients: Clients, url: str, function: str) -> tuple[Site | None, str]:
    from sparkanywhere.deployment.aws_errors import AWS_ERRORS, sentence  # by an extra

    try:
        return find_site(clients, url, function=function), ""
    except (NoSite, AwsUnusable, *AWS_ERRORS) as error:
        return None, f"the deployment was not found in AWS: {sentence(error)}"


def _try(ground: Ground, steps: Sequence[Step], output: str) -> int:
    """Run the steps and clear away; print each as it ends, and where the records are. Return the exit code."""
    found: list[Outcome] = []
    stopped = 0

    def tell(outcome: Outcome) -> None:
        found.append(outcome)
        if not is_for_programs(output):
            echo(one_line(f"{MARKS[outcome.state]}  {outcome.step}  {outcome.seconds:.0f} s: {outcome.text}"))

    try:
        with signals_as_interrupt():
            for outcome in run(ground, steps):
                tell(outcome)
    except StepFailed as error:
        echo(f"Error: {error}", err=True)
        stopped = FAILURE
    except StoppedBySignal as error:
        echo(f"Stopped: {error}. Clearing away, which may take some minutes.", err=True)
        stopped = error.exit_code
    finally:
        with uninterrupted():
            tell(clear_away(ground))
    records = ground.recorder.pack()
    if is_for_programs(output):
        fields = ("step", "state", "text", "seconds")
        print_records([{name: getattr(each, name) for name in fields} for each in found], output)
    echo(f"What was asked and answered is in {records}.", err=True)
    return stopped or (FAILURE if any(each.state == "failed" for each in found) else 0)
