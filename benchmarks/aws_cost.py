"""What the control plane of a job costs on AWS in an hour: what is paid for, counted on fakes and priced.

The packaged functions run as on Lambda, on a DynamoDB in memory and an ECS without containers, for a job of Spark's
recorded pods, created one after another, owned by their driver, and deleted as Spark does. Driver and submitter watch
all the time, as Spark's client does (polled_watch.py), the driver lists its executors, and the schedule runs. Counted
are start, end and one minute between; an hour has sixty of such minutes, twelve schedules in which everything is due
and 48 with what is due each minute. A bill has seconds in which a function waits, too: they are the processor seconds
by what a function has of a processor, and what each request to DynamoDB and ECS takes on AWS; of the function that
launches, which waits for more to launch, the seconds that it takes here. Prices: aws_prices.json.
"""

from __future__ import annotations

import copy
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.aws_site import FABRIC8, Counts, Json, Prices, Site, watching
from benchmarks.aws_writes import executors_of
from chalicelib.resources.pods.marks import PARK
from tests.aws_box.client import PODS
from tests.aws_box.package import Package, make_package

GOALS = {10: 0.01, 100: 0.02, 1000: 0.06}  # dollars an hour, by executors
QUIET_SECONDS, MINUTE = 35.0, 60.0  # until watches are asked for as seldom as they ever are
LINGER_SECONDS = 6.0  # a launch function stays for four seconds more
LISTS = 30  # of its executors by a driver in an hour, as it is told to
SCHEDULES, WHOLE_SCHEDULES = 60, 12
DELETES = 20
RECORDED = Path(__file__).resolve().parents[1] / "tests" / "data" / "spark"
CORE = PODS.removesuffix("/pods")
EXECUTORS = "spark-role=executor"


def run() -> str:
    """Return the table."""
    prices: Prices = json.loads(Path(__file__).with_name("aws_prices.json").read_text())
    eks, address = prices["eks_cluster_hour"], prices["public_ipv4_hour"]
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name) / "package")
        with ThreadPoolExecutor() as threads:  # side by side, since most of each is waiting; each counts its own
            asked = threads.submit(_measured, package, Path(name, "idle"), _idle_hour)
            jobs = {
                count: threads.submit(_measured, package, Path(name, f"{count}"), _job_hour, count) for count in GOALS
            }
        idle, hours = asked.result(), {count: job.result() for count, job in jobs.items()}
    month = idle.dollars(prices) * 24 * 30
    lines = [
        f"| an hour of a job, {prices['region']}, prices of {prices['as_of']} | gateway | Lambda | seconds | GB-s "
        "| DynamoDB writes | reads | functions at once | control plane | goal | public addresses of its tasks |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for count, hour in hours.items():
        lines.append(
            f"| {count:,} executors | {hour.cells()} | {hour.seconds / 3600:.3f} | ${hour.dollars(prices):.4f} "
            f"| ${GOALS[count]:.2f} | ${(count + 1) * address:.2f} |"
        )
    dollars = f"${idle.dollars(prices):.4f}, ${month:.2f} a month"
    lines.append(f"| no job | {idle.cells()} | {idle.seconds / 3600:.3f} | {dollars} | | |")
    return "\n".join([*lines, "", f"EKS takes ${eks:.2f} an hour for its control plane, whatever runs."])


def _measured(package: Package, folder: Path, measure: Callable[..., Counts], *arguments: int) -> Counts:
    folder.mkdir()
    site = Site(package, folder)
    try:
        site.client.get(PODS)  # a new table's defaults are written once, not with each job
        site.deployment.run_schedule()
        return measure(site, *arguments)
    finally:
        site.close()


def _idle_hour(site: Site) -> Counts:
    return _schedules(site)[0]


def _schedules(site: Site) -> tuple[Counts, Counts]:
    """Return what an hour's schedules use, and what else goes on in the minute between two of them."""
    site.deployment.resync.restart()  # in a new process everything is due
    with site.counted() as whole:
        site.deployment.run_schedule()
    with site.counted() as minute:
        time.sleep(MINUTE)
    with site.counted() as brief:
        site.deployment.run_schedule()
    return whole * WHOLE_SCHEDULES + brief * (SCHEDULES - WHOLE_SCHEDULES), minute


def _job_hour(site: Site, executors: int) -> Counts:
    driver = _recorded("driver-4.3.0")
    labels, name = driver["metadata"]["labels"], driver["metadata"]["name"]
    application = f"spark-app-selector={labels['spark-app-selector']}"
    theirs = f"{application},{EXECUTORS}"
    driver["metadata"].setdefault("annotations", {})[PARK] = "false"  # the fake has started it before tasks are parked
    with site.counted() as start:
        owner = _create_driver(site, driver)
    with watching(site, fieldSelector=f"metadata.name={name}"), watching(site, labelSelector=theirs):
        with site.counted() as scaling:
            _create_executors(site, owner, labels, executors)
            site.wait_for_tasks("RUNNING", executors + 1)
        with site.counted() as settling:
            time.sleep(QUIET_SECONDS)
        schedules, minute = _schedules(site)
        with site.counted() as listing:
            site.ask("GET", PODS, params={"labelSelector": executors_of(driver)}, headers=FABRIC8)
        with site.counted() as end:
            _delete_executors(site, theirs)
            site.ask("DELETE", f"{PODS}/{name}")
            site.wait_for_tasks("STOPPED", executors + 1)
            time.sleep(LINGER_SECONDS)
    return start + scaling + settling + schedules + minute * 60 + listing * LISTS + end


def _create_driver(site: Site, driver: Json) -> Json:
    """Do what spark-submit does; return the driver's metadata."""
    site.ask("POST", f"{CORE}/serviceaccounts", json={"metadata": {"name": "spark"}})
    made = site.ask("POST", PODS, json=driver)["metadata"]
    service = {"metadata": {"name": "driver"}, "spec": {"clusterIP": "None", "ports": [{"port": 7078}]}}
    site.ask("POST", f"{CORE}/services", json=service)
    for volume in [*driver["spec"]["volumes"], *_recorded("executor-4.3.0")["spec"]["volumes"]]:
        if "configMap" in volume:
            settings = {**_recorded("configmap-4.3.0"), "metadata": {"name": volume["configMap"]["name"]}}
            site.ask("POST", f"{CORE}/configmaps", json=settings)
    return made


def _create_executors(site: Site, owner: Json, labels: Json, count: int) -> None:
    body = _recorded("executor-4.3.0")
    body["metadata"]["ownerReferences"][0] |= {"name": owner["name"], "uid": owner["uid"]}
    body["metadata"]["labels"]["spark-app-selector"] = labels["spark-app-selector"]
    for number in range(1, count + 1):
        pod = copy.deepcopy(body)
        pod["metadata"]["name"] = f"pi-exec-{number}"
        pod["metadata"]["labels"]["spark-exec-id"] = str(number)
        site.ask("POST", PODS, json=pod, headers=FABRIC8)


def _delete_executors(site: Site, theirs: str) -> None:
    """Delete them as Spark does; again where so many take longer than a request may, as their ends would do later."""
    for _ in range(DELETES):
        if site.client.call("DELETE", PODS, params={"labelSelector": theirs}, headers=FABRIC8).status_code == 200:
            return
    raise RuntimeError("the executors could not be deleted")


def _recorded(name: str) -> Json:
    return json.loads((RECORDED / f"{name}.json").read_text())
