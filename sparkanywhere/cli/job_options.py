"""The options of `sparkanywhere run`, and the job that they describe with --conf, a properties and a job file."""

from __future__ import annotations

import os
import shlex
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import javaproperties
from click.core import ParameterSource

from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import DEFAULT_NAMESPACE
from sparkanywhere.jobs import job_file
from sparkanywhere.jobs.env_file import read_env_file
from sparkanywhere.jobs.job_fields import JOB_OPTIONS
from sparkanywhere.jobs.job_option import JobOption
from sparkanywhere.jobs.spark_application import is_spark_application, job_document
from sparkanywhere.jobs.spec import JobSpec, SpecError, as_fields
from sparkanywhere.jobs.spec_problems import REFUSED

Decorator = Callable[[Any], Any]  # Any: click's commands have no types worth naming


FILES: tuple[Decorator, ...] = (
    click.option(
        "--properties-file", type=click.Path(), metavar="FILE", default="", help="Spark settings; options win over it."
    ),
    click.option(
        "--env-file",
        type=click.Path(),
        metavar="FILE",
        multiple=True,
        help="Environment variables, NAME=VALUE; repeatable.",
    ),
)


def click_option(option: JobOption) -> Decorator:
    """Return what gives a command the option of a field, named as the field."""
    assert option.flag  # what has none is an argument, or an option that many commands have
    flag = f"{option.flag}/--no-{option.flag[2:]}" if option.default is True else option.flag
    about: dict[str, Any] = {"help": option.doc, "metavar": option.metavar or None}
    if option.kind is Mapping:
        about |= {"multiple": True, "metavar": option.metavar or "KEY=VALUE"}
    elif option.kind is tuple:
        about |= {"multiple": True, "metavar": option.metavar or ("A,B" if option.splits else "TEXT")}
    else:
        shown = {"default": option.default, "show_default": bool(option.default)}
        shown["default"] = None if option.choices and not option.default else option.default
        about |= {"is_flag": True, **shown} if option.kind is bool else {"type": _type_of(option), **shown}
    return click.option(option.name, flag, *option.aliases, **about)


def _type_of(option: JobOption) -> Any:  # Any: a type of click's, or of Python's
    if option.metavar == "FILE":
        return click.Path()  # which shells complete
    return click.Choice(option.choices) if option.choices else option.kind


def job_options(command: Any) -> Any:  # Any: a function that click decorates
    """Give a command the options that describe a job: one for each field of a JobSpec, and for files that hold them."""
    for each in FILES:
        command = each(command)
    for option in reversed(JOB_OPTIONS.values()):
        if option.flag:
            command = click_option(option)(command)
    return command


def typed_options(context: click.Context) -> list[str]:
    """Return the names of the options that were typed."""
    return [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def spec_from(options: dict[str, Any], given: Iterable[str], *, namespace: str = DEFAULT_NAMESPACE) -> JobSpec:
    """Return the job that a command line describes; `given` names the options that were typed. Raises SpecError.

    Its namespace is `namespace` where nothing else is said.
    """
    typed = dict(_typed_fields(options, set(given)))
    said = typed.pop("conf", {})
    by_env_file = [read_env_file(name, os.environ) for name in options["env_file"]]
    if by_env_file:
        typed["env"] = dict(ChainMap(typed.get("env", {}), *reversed(by_env_file)))
    by_conf, conf = as_fields(said, typed, where="--conf", wins=True)
    values = {**typed, **by_conf}
    by_file, from_file = as_fields(
        properties(options["properties_file"]), values, where="--properties-file", wins=False
    )
    # A properties file may have been written for another cluster.
    kept = {key: text for key, text in from_file.items() if key not in REFUSED}
    values = {**by_file, **values, "conf": {**kept, **conf}}
    application = options["application"]
    variables = pairs("--var", options.get("var", ()))
    if not application.endswith((".yaml", ".yml")):
        if variables:
            raise SpecError(f"--var is for the variables of a job file: {application} is none.")
        return JobSpec(application=application, **{"namespace": namespace, **values})
    document = job_file.read(Path(application), variables)
    if is_spark_application(document):
        document, left_out = job_document(document)
        if left_out:
            verbs = ("has", "is") if len(left_out) == 1 else ("have", "are")
            said = "{} no counterpart in a job and {} left out".format(*verbs)
            echo(f"Note: {application}: {', '.join(left_out)} {said}.", err=True)
    return job_file.from_document(document, {"namespace": namespace}, **values)


def _typed_fields(options: dict[str, Any], given: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield (field, value) of what was typed."""
    for name, option in JOB_OPTIONS.items():
        if option.kind is Mapping and options.get(name):
            yield name, pairs(str(option.flag), options[name])
        elif name == "args" and (args := (*options["args"], *_behind_dashes(options["arguments"]))):
            yield name, args
        elif name in given and name not in ("args", "application"):
            value = options[name]
            yield name, sum(map(option.parse, value), ()) if option.kind is tuple else value


def _behind_dashes(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return arguments[1:] if arguments[:1] == ("--",) else arguments


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
