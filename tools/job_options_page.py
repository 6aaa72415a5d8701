"""Write docs/job-options.md, the page of what can be said of a job, and docs/job.schema.json: `make docs`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from sparkanywhere.jobs.job_fields import JOB_OPTIONS
from sparkanywhere.jobs.job_option import JobOption
from sparkanywhere.jobs.job_schema import job_schema

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, SCHEMA = DOCS / "job-options.md", DOCS / "job.schema.json"
HEAD = """# Options of a job

<!-- Written by `make docs` from sparkanywhere/jobs/job_fields.py; a test compares them. -->

Each row is one thing that can be said of a job: as an option of [`sparkanywhere run`](jobs.md), as a key of a job file,
as a field of `JobSpec` in Python (the key with `_` for `-`; `class` is `main_class`, `with` is `jar_sets`), or as the
property of Spark by `--conf` or in a properties file. *Also sets* is what else it becomes: properties of the driver's
Spark, and parts of the driver's pod.

[job.schema.json](job.schema.json) is the JSON schema of a job file; `sparkanywhere job-schema` prints it. An
editor with the YAML language server completes and checks by it: `# yaml-language-server: $schema=job.schema.json`.

| option | job file | default | property of Spark | also sets | meaning |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the text of the page."""
    return HEAD + "".join(f"| {' | '.join(_cells(option))} |\n" for option in JOB_OPTIONS.values())


def _cells(option: JobOption) -> Iterator[str]:
    names = ", ".join(f"`{each}`" for each in (option.flag, *option.aliases) if each)
    yield names or {"application": "the first argument", "namespace": "`--namespace`, `-n`"}[option.name]
    yield f"`{option.key}`{_kind(option)}"
    yield f"`{str(option.default).lower() if option.kind is bool else option.default}`" if option.default else ""
    yield f"`{option.conf}`" if option.conf else ""
    others = [f"`{name.format(key='NAME')}`" for name in option.makes or () if name != option.conf]
    yield ", ".join([*others, *([option.pod] if option.pod else [])])
    yield option.doc


def _kind(option: JobOption) -> str:
    return {tuple: ", a list", Mapping: ", a mapping"}.get(option.kind, "")


def schema_text() -> str:
    """Return the schema as the file has it."""
    return json.dumps(job_schema(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    print(f"{PAGE.name} and {SCHEMA.name} are written")
