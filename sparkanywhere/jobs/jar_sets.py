"""Pure: what `--with` and `--catalog` make of a job: its Spark, the settings, and what does not go together."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from sparkanywhere.jars.table import jar_table
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK, JobFields

CATALOG = "spark.sql.catalog.lake"  # by that name SQL knows the catalog: lake.db.table

_OF_SCHEME = {"s3": "s3", "s3a": "s3", "gs": "gcs", "abfss": "azure"}


def sets_of_place(url: str) -> tuple[str, ...]:
    """Return which sets Spark needs to read and write there: one for a bucket, none for a folder."""
    found = _OF_SCHEME.get(url.partition("://")[0])
    return (found,) if found else ()


def wanted_sets(spec: JobFields) -> tuple[str, ...]:
    """Return the sets of jars that a job needs, each once: of --with, its catalog, where it keeps shuffle data."""
    kind = spec.catalog.partition("=")[0]
    found = jar_table().catalogs.get(kind)
    return tuple(dict.fromkeys((*spec.jar_sets, *(found.sets if found else ()), *sets_of_place(spec.keep_shuffle))))


def fitting_spark(spec: JobFields) -> str:
    """Return the version of Spark for a job that names none."""
    return jar_table().newest_spark(wanted_sets(spec)) or DEFAULT_SPARK


def set_conf(spec: JobFields) -> dict[str, str]:
    """Return the settings of a job's sets and catalog."""
    found = jar_table().conf(wanted_sets(spec), spec.spark)
    kind, _, place = spec.catalog.partition("=")
    if kind:
        found[CATALOG] = "org.apache.iceberg.spark.SparkCatalog"
        for key, text in jar_table().catalogs[kind].conf.items():
            if value := text.replace("{place}", place):
                found[f"{CATALOG}.{key}"] = value
    return found


def set_problems(spec: JobFields) -> Iterator[str]:
    """Yield what is wrong with --with and --catalog."""
    table, (kind, _, place) = jar_table(), spec.catalog.partition("=")
    if spec.catalog and kind not in table.catalogs:
        yield f"--catalog {kind or spec.catalog} is unknown: glue, glue=s3://bucket/folder, rest=URL or hadoop=FOLDER."
    elif kind and not place and not table.catalogs[kind].needs_no_place:
        yield f"--catalog {kind} needs its place: --catalog {kind}={'URL' if kind == 'rest' else 'FOLDER'}."
    elif kind == "rest" and not (urlsplit(place).scheme in ("http", "https") and urlsplit(place).hostname):
        yield f"--catalog rest={place} is no URL: write rest=https://HOST/."
    if problem := table.problem(wanted_sets(spec), spec.spark):
        yield problem
