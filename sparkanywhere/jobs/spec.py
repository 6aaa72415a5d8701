"""JobSpec: one Spark job as its user describes it, on the command line, in Python or a file; checked once.

As for spark-submit (SparkSubmitArguments), an option wins over the properties file; an option and a --conf that
contradict each other are an error here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparkanywhere.client.failure import Failure
from sparkanywhere.jars.image_tag import held_by
from sparkanywhere.jobs.jar_sets import fitting_spark, wanted_sets
from sparkanywhere.jobs.job_fields import BY_PROPERTY, JOB_OPTIONS, JobFields
from sparkanywhere.jobs.spec_problems import problems

NAME_LIMIT = 30  # characters of an application's name in its pods' names: Spark allows a prefix 47 in all


class SpecError(Failure):
    """The description of a job is wrong; str() is one sentence that names the option to change."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec(JobFields):
    """What to run and how, checked when it is made: a setting in `conf` that means a field is that field.

    Raises SpecError.
    """

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in JOB_OPTIONS}
        given = {name: value for name, value in given.items() if value != JOB_OPTIONS[name].default}
        found, rest = as_fields(self.conf, given, where="--conf", wins=True)
        for name, value in {**found, "conf": rest}.items():
            object.__setattr__(self, name, value)  # it is frozen from here on
        if not self.spark:
            held = held_by(self.image)
            if held:
                object.__setattr__(self, "spark", held.spark)
            elif self.image and wanted_sets(self):
                option = "--with" if self.jar_sets else "--catalog"
                raise SpecError(f"{option} depends on the Spark of --image: say which it is by --spark.")
            object.__setattr__(self, "spark", self.spark or fitting_spark(self))
        for problem in problems(self):
            raise SpecError(problem)  # the first one


def as_fields(
    conf: Mapping[str, str], given: Mapping[str, Any], *, where: str, wins: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (fields that settings mean, the other settings). Raises SpecError.

    `given` are fields that options set. If `wins`, a setting may not contradict them; else they override it.
    """
    found: dict[str, Any] = {}
    rest: dict[str, str] = {}
    for key, text in conf.items():
        if key not in BY_PROPERTY:
            rest[key] = text
            continue
        option = BY_PROPERTY[key]
        try:
            value = option.parse(text)
        except ValueError as error:
            raise SpecError(f"{where} {key} {error}.") from None
        if option.name not in given:
            found[option.name] = value
        elif wins and given[option.name] != value:
            said = f"{option.flag} {option.typed(given[option.name])}"
            raise SpecError(f"{where} {key}={text} contradicts {said}: leave one of them out.")
    return found, rest
