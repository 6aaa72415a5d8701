"""The options of `sparkanywhere submit`, and the job that they describe with --conf, a properties and a job file."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import javaproperties
from click.core import ParameterSource

from sparkanywhere.jobs import job_file
from sparkanywhere.jobs.spec import DEFAULT_SPARK, FIELD_TYPES, REFUSED, ConfError, JobSpec, SpecError, as_fields

PAIRS = {"env": "--env", "label": "--label", "secret": "--secret", "secret_env": "--secret-env"}
FIELDS = {"label": "labels", "secret": "secrets"}

Decorator = Callable[[Any], Any]  # Any: click's commands have no types worth naming

OPTIONS: tuple[Decorator, ...] = (
    click.option("--arg", "more_arguments", multiple=True, help="An argument for the program; repeatable."),
    click.option("--class", "main_class", default="", help="Main class of a .jar."),
    click.option("--name", default="", help="Name of the application; default: its file's."),
    click.option("--executors", type=int, default=2, show_default=True, help="How many executors."),
    click.option("--executor-cores", type=int, default=1, show_default=True),
    click.option("--executor-memory", default="1g", show_default=True, help="Heap of an executor: 512m, 4g."),
    click.option("--driver-cores", type=int, default=1, show_default=True),
    click.option("--driver-memory", default="1g", show_default=True),
    click.option("--dynamic-allocation", is_flag=True, help="Let Spark grow and shrink up to --executors."),
    click.option("--conf", multiple=True, metavar="KEY=VALUE", help="A Spark setting; repeatable."),
    click.option("--properties-file", metavar="FILE", default="", help="Spark settings; options win over it."),
    click.option("--py-files", default="", help="Python files and zips, separated by commas."),
    click.option("--files", default="", help="Files for the working directory, separated by commas."),
    click.option("--jars", default="", help="Jars, separated by commas."),
    click.option("--archives", default="", help="Archives to unpack, separated by commas: env.tar.gz#env."),
    click.option("--packages", default="", help="Maven coordinates, separated by commas; passed on to Spark."),
    click.option("--env", multiple=True, metavar="KEY=VALUE", help="An environment variable; repeatable."),
    click.option("--label", multiple=True, metavar="KEY=VALUE", help="A label of the driver; repeatable."),
    click.option("--secret", multiple=True, metavar="SECRET=/FOLDER", help="Mount a Secret; repeatable."),
    click.option(
        "--secret-env", multiple=True, metavar="NAME=SECRET:KEY", help="A variable from a Secret; repeatable."
    ),
    click.option("--driver-template", default="", metavar="FILE", help="A pod to base the driver's on."),
    click.option("--executor-template", default="", metavar="FILE", help="A pod to base executors' on."),
    click.option("--image", default="", help="Container image; default: ours of the Spark version."),
    click.option("--image-pull-policy", default="IfNotPresent", show_default=True),
    click.option("--spark", default=DEFAULT_SPARK, show_default=True, help="Version of Spark."),
    click.option("--service-account", default=""),
    click.option("--spot", is_flag=True, help="Executors on interruptible capacity, where the provider has it."),
    click.option("--arch", type=click.Choice(["amd64", "arm64"]), default=None),
    click.option("--time-limit", type=int, default=0, metavar="SECONDS", help="End the job after so long."),
    click.option(
        "--max-attempts", type=int, default=1, show_default=True, help="Restart a failed driver, after a pause."
    ),
    click.option("--max-usd", default="", metavar="DOLLARS", help="End the job once it has cost so much."),
    click.option(
        "--event-log/--no-event-log", default=True, show_default=True, help="Keep the event log for `history`."
    ),
)


def job_options(command: Any) -> Any:  # Any: a function that click decorates
    """Give a command the options that describe a job."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def typed_options(context: click.Context) -> list[str]:
    """Return the names of the options that were typed."""
    return [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def spec_from(options: dict[str, Any], given: Iterable[str]) -> JobSpec:
    """Return the job that a command line describes; `given` names the options that were typed. Raises SpecError."""
    typed = dict(_typed_fields(options, set(given)))
    try:
        by_conf, conf = as_fields(pairs("--conf", options["conf"]), typed, where="--conf", wins=True)
        values = {**typed, **by_conf}
        by_file, from_file = as_fields(
            properties(options["properties_file"]), values, where="--properties-file", wins=False
        )
    except ConfError as error:
        raise SpecError(str(error)) from error
    # A properties file may have been written for another cluster.
    kept = {key: text for key, text in from_file.items() if key not in REFUSED}
    values = {**by_file, **values, "conf": {**kept, **conf}}
    application = options["application"]
    if not application.endswith((".yaml", ".yml")):
        return JobSpec(application=application, **values)
    return job_file.from_document(job_file.read(Path(application)), **values)


def _typed_fields(options: dict[str, Any], given: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield (field, value) of what was typed."""
    args = (*options["arguments"], *options["more_arguments"])
    if args:
        yield "args", args
    for name, wanted in FIELD_TYPES.items():
        if name not in given or name == "application":
            continue
        if wanted is tuple:
            yield name, tuple(each.strip() for each in options[name].split(",") if each.strip())
        elif wanted is not Mapping and options[name] is not None:
            yield name, options[name]
    for name, option in PAIRS.items():
        if options[name]:
            yield FIELDS.get(name, name), pairs(option, options[name])


def pairs(option: str, entries: Iterable[str]) -> dict[str, str]:
    """Return the pairs of an option that is given as key=value, any number of times. Raises SpecError."""
    found: dict[str, str] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals or not key:
            raise SpecError(f"{option} {shlex.quote(entry)} is not of the form key=value.")
        if found.setdefault(key, value) != value:
            raise SpecError(f"{option} {key} is given twice: {found[key]} and {value}.")
    return found


# What Spark trims off the value of a property: Utils.trimExceptCRLF.
TRIMMED = "".join(map(chr, range(0x21))).translate({0x0A: None, 0x0D: None})


def properties(name: str) -> dict[str, str]:
    """Return the settings of a properties file, read as Java's Properties.load and Spark do. Raises SpecError."""
    if not name:
        return {}
    try:
        found = javaproperties.loads(Path(name).read_bytes().decode())
    except FileNotFoundError:
        raise SpecError(f"--properties-file {name} is not there.") from None
    except (OSError, ValueError) as error:
        raise SpecError(f"--properties-file {name} cannot be read: {error}.") from error
    return {key: value.strip(TRIMMED) for key, value in found.items()}
