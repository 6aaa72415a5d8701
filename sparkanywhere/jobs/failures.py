"""Why a job failed, in one sentence with the option to change, where what is known says so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from chalicelib.apimachinery.accessors import status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.refusals import REJECTED
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs.job_files import FETCHER
from sparkanywhere.jobs.spec import JobSpec

NO_CLASS = re.compile(r"Failed to load class (\S+?)\.?$|ClassNotFoundException: (\S+)")
NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")
UNRESOLVED = re.compile(r"unresolved dependency: (\S+)|not found\]?: (\S+#\S+)")
OVER_TIME = "it ran longer than --time-limit {} allows."


def reason(client: KubeClient, spec: JobSpec, path: str, pods: Mapping[str, JSON], lines: Sequence[str]) -> str:
    """Return why the last driver failed, "" where its log says all there is.

    `path` is that of the driver's pod or Job, `pods` are those last seen, by name, and `lines` the end of the log.
    """
    drivers = [pod for pod in pods.values() if pod["metadata"].get("labels", {}).get("spark-role") == "driver"]
    if not drivers:
        return ""
    driver = drivers[-1]
    if spec.time_limit and spec.max_attempts > 1:  # a Job has the time limit of all attempts
        with suppress(ApiError, ApiUnreachable):
            conditions = status_of(client.get(path)).get("conditions") or ()
            if any(each.get("reason") == "DeadlineExceeded" for each in conditions):
                return OVER_TIME.format(spec.time_limit)
    return _fetching(client, driver) or _by_status(driver, spec) or _by_log(lines, spec)


def _fetching(client: KubeClient, driver: JSON) -> str:
    """Return the last message of the container that fetches files, if that is what failed."""
    statuses = status_of(driver).get("initContainerStatuses") or ()
    states = [each.get("state") or {} for each in statuses if each["name"] == FETCHER]
    ended = next((each["terminated"] for each in states if "terminated" in each), None)
    if ended is None or ended.get("exitCode") == 0:
        return ""
    metadata = driver["metadata"]
    text = str(ended.get("message") or "")
    try:
        text = text or client.log(metadata["namespace"], metadata["name"], container=FETCHER)
    except (ApiError, ApiUnreachable):
        return "a file of the job could not be fetched, and what went wrong is not known any more."
    said = [line for line in text.splitlines() if line.startswith(f"{FETCHER}: ")]
    return said[-1].removeprefix(f"{FETCHER}: ") + "." if said else "a file of the job could not be fetched."


def _by_status(driver: JSON, spec: JobSpec) -> str:
    status = status_of(driver)
    if status.get("reason") == "DeadlineExceeded":
        return OVER_TIME.format(spec.time_limit)
    if status.get("reason") == "BudgetExceeded":
        return f"it was ended by --max-usd: {status.get('message', '')}."
    ended = [(each.get("state") or {}).get("terminated") or {} for each in status.get("containerStatuses") or ()]
    if any(each.get("reason") == "OOMKilled" for each in ended):
        return f"the driver used more memory than its pod has: raise --driver-memory ({spec.driver_memory})."
    _, _, refused = str(status.get("message") or "").partition(REJECTED)
    if status.get("phase") == "Failed" and (refused or not any("exitCode" in each for each in ended)):
        why = refused or status.get("message") or status.get("reason") or "no reason given"
        return f"the driver could not be started: {why}"
    return ""


def _by_log(lines: Sequence[str], spec: JobSpec) -> str:
    for line in lines:
        if found := NO_CLASS.search(line):
            name = found[1] or found[2]
            if name == spec.main_class:
                return f"there is no class {name} in {spec.application}: see --class."
            return f"the class {name} was not found: bring its jar by --jars or --packages."
        if found := NO_MODULE.search(line):
            return f"there is no Python module {found[1]}: bring it by --py-files or --archives, or in the image."
        if found := UNRESOLVED.search(line):
            return f"{found[1] or found[2]} was not found in any repository: see --packages."
    return ""
