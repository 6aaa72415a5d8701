"""What commands and the Python API tell of an application to other programs. docs/jobs.md lists the fields: they stay.

Times are ISO 8601 in UTC, or null; amounts are numbers: seconds, vCPU-seconds, GiB-seconds, dollars at Fargate's price.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from chalicelib.apimachinery.accessors import labels_of, status_of
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import cause_of, why_pending
from chalicelib.controllers.podmodel.start_phases import executor_start, told_advice, told_start
from chalicelib.controllers.podmodel.usage import running_seconds
from sparkanywhere.jobs.applications import ROLE, Application

Record = dict[str, Any]  # Any: texts, numbers, null, and in `pods` and `events` more records


def application_record(application: Application, now: datetime) -> Record:
    """Return the fields that every command has of an application."""
    used, driver = application.usage(now), application.driver or {"metadata": {}}
    ended = application.ended_at
    return {
        "id": application.id,
        "name": application.name,
        "namespace": next((str(pod["metadata"].get("namespace", "")) for pod in application.pods), ""),
        "driver": application.driver_name or None,
        "state": application.state,
        "cause": application.cause or None,
        "exit_code": application.exit_code,
        "created": min((str(pod["metadata"].get("creationTimestamp")) for pod in application.pods), default=None),
        "started": status_of(driver).get("startTime"),
        "ended": None if ended is None else format_time(ended),
        "seconds": _rounded(application.seconds(now)),
        "start_seconds": told_start(driver)[0],
        "start_advice": told_advice(driver) or None,
        "executors": application.shown_executors,
        **usage_record(used.vcpu_seconds, used.gib_seconds, used.usd),
    }


def usage_record(vcpu_seconds: float, gib_seconds: float, usd: float) -> Record:
    """Return the fields of what was used."""
    return {
        "vcpu_seconds": round(vcpu_seconds, 1),
        "gib_seconds": round(gib_seconds, 1),
        "usd_on_fargate": round(usd, 6),
    }


def pod_record(application: Application, pod: JSON, now: datetime) -> Record:
    """Return the fields of one pod of an application."""
    status, labels = status_of(pod), labels_of(pod)
    states = [each.get("state") or {} for each in status.get("containerStatuses") or ()]
    ended: JSON = next((each["terminated"] for each in states if each.get("terminated")), {})
    number = labels.get("spark-exec-id")
    driver = application.driver or {"metadata": {}}
    return {
        "pod": pod["metadata"].get("name"),
        "role": labels.get(ROLE),
        "executor": None if number is None else int(number) if number.isdecimal() else number,
        "state": application.state_of(pod),
        "ip": status.get("podIP"),
        "exit_code": ended.get("exitCode"),
        "reason": ended.get("reason") or status.get("reason"),
        "cause": cause_of(pod) or why_pending(pod) or None,
        "started": status.get("startTime"),
        "start_seconds": told_start(pod)[0] if number is None else executor_start(pod, driver),
        "ended": ended.get("finishedAt"),
        "seconds": _rounded(running_seconds(pod, application.last_seen(pod, now))) if pod.get("spec") else None,
    }


def event_records(events: list[JSON], pods: set[str]) -> Iterator[Record]:
    """Yield what happened to these pods, the oldest first."""
    for event in sorted(events, key=_time_of):
        name = (event.get("involvedObject") or {}).get("name")
        if name in pods:
            told = {name: event.get(name) for name in ("type", "reason", "message")}
            yield {"at": _time_of(event) or None, "pod": name, **told}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _time_of(event: JSON) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
