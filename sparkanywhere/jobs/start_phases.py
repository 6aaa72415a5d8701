"""The phases of an application's start, and what would make it faster. Pure.

    submit | placement | pull | start | JVM | register

All but the first are those of the driver's pod, as the control plane tells them (podmodel/start_phases.py). It reads
a driver's log at each resync, so that who follows a job may know of the last two before, from Spark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.start_phases import SHORTEST_SECONDS, SparkStart, advice_on, faster, told_start
from chalicelib.providers import registry

if TYPE_CHECKING:  # `ps` asks no Spark
    from sparkanywhere.jobs.spark_rest import SparkProgress


def start_seconds(
    driver: JSON, spark: SparkProgress | None, *, executors: int, submit: float | None = None
) -> dict[str, float]:
    """Return the seconds of each phase that is known, in their order; `submit` is what the submitter has measured."""
    phases, running_at = told_start(driver)
    seconds = {**({} if submit is None else {"submit": round(submit, 3)}), **phases}
    began_at = spark.began_at if spark else None
    if began_at and running_at:
        seconds["JVM"] = (began_at - running_at).total_seconds()
    if spark and began_at and len(spark.registered_at) >= executors > 0:
        seconds["register"] = (sorted(spark.registered_at)[executors - 1] - began_at).total_seconds()
    return {name: each for name, each in seconds.items() if each >= SHORTEST_SECONDS}


def start_advice(driver: JSON, seconds: Mapping[str, float], more: Mapping[str, str], logged: SparkStart) -> str:
    """Return what would make a slow start faster, "" of a quick one.

    `more` is advice that its submitter knows, `logged` what the driver's log has told so far.
    """
    provider = registry.of_node(str(spec_of(driver).get("nodeName", "")))
    return faster(seconds, {**advice_on(driver, provider.start_advice if provider else {}, logged), **more})


def start_words(seconds: Mapping[str, float], advice: str | None) -> str:
    """Return a start in a few words, and what would make it faster."""
    parts = ", ".join(f"{name} {each:.1f} s" for name, each in seconds.items())
    return parts + (f"; faster: {advice}" if advice else "")
