"""CronJobs.

Compare kubernetes/pkg/apis/batch/v1/defaults.go, pkg/registry/batch/cronjob/strategy.go and validation, v1.36.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import invalid, not_supported, required
from chalicelib.apimachinery.rules.cron import parse_schedule
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS, StatusStrategy
from chalicelib.resources.pods.defaults import EMPTY_TEMPLATE, default_template
from chalicelib.resources.pods.validation import spec_warnings
from chalicelib.resources.shared.table_text import containers_text, selector_text
from chalicelib.resources.workloads.counts import not_negative_causes
from chalicelib.resources.workloads.jobs import job_spec_causes
from chalicelib.resources.workloads.workload import CONTAINERS_COLUMN, IMAGES_COLUMN

POLICIES = ("Allow", "Forbid", "Replace")
MAX_NAME = 52  # characters: a Job of it has a dash and the time behind that
KEPT_SUCCEEDED, KEPT_FAILED = 3, 1  # Jobs
_TEMPLATE = "spec.jobTemplate.spec"
_ZONE = re.compile(
    r"(?!-)(?!\.\.?(?:/|$))[A-Za-z._0-9+-]{1,14}(?:/(?!-)(?!\.\.?(?:/|$))[A-Za-z._0-9+-]{1,14})*", re.ASCII
)
_COUNTS = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")


def find_zone(name: str | None) -> tzinfo | None:
    """Return the time zone of a schedule, UTC where none is named; None for an unknown one."""
    if name is None:
        return UTC
    if not _ZONE.fullmatch(name):
        return None
    from zoneinfo import ZoneInfo  # lazy: few requests name a zone, and it loads how Python was built

    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError; a folder of zones; no file of zones
        return None


class CronJobStrategy(Strategy):
    """batch/v1 cronjobs."""

    group, resource, singular, kind = "batch", "cronjobs", "cronjob", "CronJob"
    pod_template = ("jobTemplate", "template")
    in_view, edit_verbs = True, WRITE_VERBS
    short_names, categories = ("cj",), ("all",)
    has_generation = True
    status = StatusStrategy()
    empty: ClassVar[JSON] = {
        "spec": {"schedule": "", "jobTemplate": {"metadata": {}, "spec": {"template": EMPTY_TEMPLATE}}},
        "status": {},
    }
    columns = (
        NAME_COLUMN,
        Column("Schedule", description="When its Jobs start."),
        Column("Timezone", description="The time zone of that."),
        Column("Suspend", type="boolean", description="Whether no more Jobs start."),
        Column("Active", type="integer", description="How many of its Jobs run."),
        Column("Last Schedule", description="When a Job was due last."),
        AGE_COLUMN,
        CONTAINERS_COLUMN,
        IMAGES_COLUMN,
        Column("Selector", description="The selector of its Jobs.", priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Set policy and limits, and fill in the template of the pods; its Jobs get their own defaults."""
        spec = obj["spec"] = spec_of(obj)
        spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", KEPT_SUCCEEDED)
        spec.setdefault("failedJobsHistoryLimit", KEPT_FAILED)
        spec.setdefault("schedule", "")
        template = spec["jobTemplate"] = spec.get("jobTemplate") or {}
        template["metadata"] = template.get("metadata") or {}
        job = template["spec"] = template.get("spec") or {}
        job["template"] = job.get("template") or {}
        default_template(job["template"])

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a CronJob."""
        name = metadata_of(obj).get("name") or ""
        if len(name) > MAX_NAME:
            yield invalid("metadata.name", name, f"must be no more than {MAX_NAME} characters")
        yield from self.validate_update(obj, obj)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield the same; a name that is too long cannot be changed any more."""
        del old
        spec = obj["spec"]
        yield from _schedule_causes(spec["schedule"])
        yield from _zone_causes(spec.get("timeZone"))
        for key in _COUNTS:
            yield from not_negative_causes(spec.get(key), f"spec.{key}")
        if spec["concurrencyPolicy"] not in POLICIES:
            yield not_supported("spec.concurrencyPolicy", spec["concurrencyPolicy"], POLICIES)
        job = spec["jobTemplate"]["spec"]
        yield from job_spec_causes(job, _TEMPLATE)
        if job.get("selector") is not None:
            yield invalid(f"{_TEMPLATE}.selector", job["selector"], "`selector` will be auto-generated")
        if job.get("manualSelector"):
            yield not_supported(f"{_TEMPLATE}.manualSelector", True, ("nil", "false"))

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Yield what its pods would be warned about."""
        return spec_warnings(obj["spec"]["jobTemplate"]["spec"]["template"]["spec"], f"{_TEMPLATE}.template.spec")

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get cronjobs` shows."""
        metadata, spec, status = metadata_of(obj), spec_of(obj), status_of(obj)
        job = spec_of(spec.get("jobTemplate") or {})
        last = status.get("lastScheduleTime")
        return [
            metadata.get("name", ""),
            spec.get("schedule", ""),
            spec.get("timeZone") or "<none>",
            str(bool(spec.get("suspend"))),
            len(status.get("active") or ()),
            meta.age(last, now) if last else "<none>",
            meta.age(metadata.get("creationTimestamp"), now),
            *containers_text(job.get("template") or {}),
            selector_text(job.get("selector")),
        ]


def _schedule_causes(schedule: str) -> Iterator[Cause]:
    if not schedule:
        yield required("spec.schedule")
    elif "TZ" in schedule:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid("spec.schedule", schedule, why)
    else:
        try:
            parse_schedule(schedule)
        except ValueError as error:
            yield invalid("spec.schedule", schedule, str(error))


def _zone_causes(zone: str | None) -> Iterator[Cause]:
    if zone == "":
        yield invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
    elif zone is not None and zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid("spec.timeZone", zone, why)
    elif find_zone(zone) is None:
        yield invalid("spec.timeZone", zone, f"unknown time zone {zone}")
