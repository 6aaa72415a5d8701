"""CronJobs: a Job for each time of a schedule, and no more finished ones than are kept. Pure.

Compare kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go, v1.36. What has been started is read off the Jobs
themselves (their names and an annotation tell the time), so that a crash between two writes starts nothing twice.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta, tzinfo

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, labels_of, status_of
from chalicelib.apimachinery.rules.cron import Schedule, parse_schedule
from chalicelib.apimachinery.rules.time import after, find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.recorder import News
from chalicelib.controllers.workloads.plan import WorkloadPlan, owned_by
from chalicelib.resources.workloads.cronjobs import find_zone
from chalicelib.resources.workloads.jobs import final_condition

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MANY_MISSED = 100  # times that went by; more are worth a Warning
LONGEST_PAST = timedelta(days=366 * 5)
_REFERENCE = ("namespace", "name", "uid")
_TIMES = ("lastScheduleTime", "lastSuccessfulTime")


def plan(cron_job: JSON, jobs: list[JSON], now: datetime, ends: Collection[datetime]) -> WorkloadPlan:
    """Return what a CronJob needs now; `jobs` are those it owns, which see to the `ends` of pods."""
    del ends
    spec, before = cron_job["spec"], status_of(cron_job)
    running = [each for each in jobs if SCHEDULED in annotations_of(each) and not _end(each)]
    result = WorkloadPlan(_status(before, jobs, running))
    result.events = list(_news_of_ended(before, jobs))
    result.delete = _superfluous(spec, [each for each in jobs if not is_deleting(each)])
    zone = find_zone(spec.get("timeZone"))
    if spec.get("suspend") or zone is None:
        return result
    schedule = parse_schedule(spec["schedule"], zone)
    since = _since(cron_job, result.status, now)
    due = schedule.latest(since, now)
    following = schedule.next(now)
    if following is not None:
        result.due_seconds = (following - now).total_seconds()
    if due is None or _name(cron_job, due) in {each["metadata"]["name"] for each in jobs}:
        return result
    if _missed(schedule, since, now) > MANY_MISSED:
        why = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        result.events.append(News("Warning", "TooManyMissedTimes", why))
    if spec["concurrencyPolicy"] == "Forbid" and running:
        why = "Not starting job because prior execution is running and concurrency policy is Forbid"
        result.events.append(News("Normal", "JobAlreadyActive", why))
        return result
    if spec["concurrencyPolicy"] == "Replace":
        result.delete += [each for each in running if not is_deleting(each)]
    result.create = [("jobs", _job(cron_job, due, zone))]
    return result


def _since(cron_job: JSON, status: JSON, now: datetime) -> datetime:
    """Return after which moment a time is still to be served: the last served, or as far back as one may start late."""
    since = find_time(status.get("lastScheduleTime")) or find_time(cron_job["metadata"].get("creationTimestamp")) or now
    late = cron_job["spec"].get("startingDeadlineSeconds")
    earliest = now - LONGEST_PAST if late is None else max(now - LONGEST_PAST, after(now, -late))
    return min(max(since, earliest), now)  # whatever a client has written into the status


def _missed(schedule: Schedule, since: datetime, now: datetime) -> int:
    """Return how many times have come and gone, counted up to one more than are worth a warning."""
    count, moment = 0, schedule.next(since)
    while moment is not None and moment <= now and count <= MANY_MISSED:
        count, moment = count + 1, schedule.next(moment)
    return count


def _status(before: JSON, jobs: list[JSON], running: list[JSON]) -> JSON:
    served = [find_time(annotations_of(each).get(SCHEDULED)) for each in jobs]
    succeeded = [find_time(status_of(each).get("completionTime")) for each in jobs if _end(each) == "Complete"]
    references = (
        {"apiVersion": "batch/v1", "kind": "Job", **{key: each["metadata"][key] for key in _REFERENCE}}
        for each in sorted(running, key=lambda each: str(each["metadata"]["name"]))
    )
    status = {
        **{key: value for key, value in before.items() if key not in ("active", *_TIMES)},
        "active": list(references),
    }
    for key, times in zip(_TIMES, (served, succeeded), strict=True):
        moments = [each for each in (*times, find_time(before.get(key))) if each is not None]
        status[key] = format_time(max(moments)) if moments else None
    return {key: value for key, value in status.items() if value}


def _news_of_ended(before: JSON, jobs: list[JSON]) -> Iterator[News]:
    by_uid = {each["metadata"]["uid"]: each for each in jobs}
    for reference in before.get("active") or ():
        job = by_uid.get(reference.get("uid"))
        if job is None:
            yield News("Normal", "MissingJob", f"Active job went missing: {reference.get('name')}")
        elif end := _end(job):
            yield News("Normal", "SawCompletedJob", f"Saw completed job: {reference.get('name')}, condition: {end}")


def _superfluous(spec: JSON, jobs: list[JSON]) -> list[JSON]:
    """Return the oldest finished Jobs beyond those that are kept of either end."""
    found: list[JSON] = []
    for end, key in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        ended = [each for each in jobs if _end(each) == end]
        ended.sort(key=lambda each: (str(status_of(each).get("startTime") or "~"), each["metadata"]["name"]))
        if spec.get(key) is not None:
            found += ended[: max(len(ended) - spec[key], 0)]
    return found


def _end(job: JSON) -> str:
    """Return how a Job has ended, "" where it has not."""
    return str((final_condition(job) or {}).get("type", ""))


def _name(cron_job: JSON, due: datetime) -> str:
    return f"{cron_job['metadata']['name']}-{int(due.timestamp()) // 60}"


def _job(cron_job: JSON, due: datetime, zone: tzinfo) -> JSON:
    metadata, template = cron_job["metadata"], cron_job["spec"]["jobTemplate"]
    made: JSON = {
        "name": _name(cron_job, due),
        "namespace": metadata["namespace"],
        "annotations": {**annotations_of(template), SCHEDULED: due.astimezone(zone).isoformat(timespec="seconds")},
        "ownerReferences": owned_by(cron_job, "batch/v1", "CronJob"),
    }
    if labels_of(template):
        made["labels"] = dict(labels_of(template))
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": made, "spec": copy.deepcopy(template["spec"])}
