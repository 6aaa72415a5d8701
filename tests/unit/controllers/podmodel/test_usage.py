"""What a pod used and what it costs: by size, time, architecture and capacity."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import finished_at
from chalicelib.controllers.podmodel.record import lost_task, with_state
from chalicelib.controllers.podmodel.usage import pod_usage, running_seconds
from chalicelib.providers.fargate.prices import TABLE, price_list
from chalicelib.providers.prices import flat_rates
from chalicelib.resources.pods.marks import BILLED_FROM, CAPACITY, RATE, SIZE
from tests.unit.controllers.builders import NOW, after, container, known, pod, task

HOUR_AGO = NOW - timedelta(hours=1)
FLAT = flat_rates(0.5, 0.25)
LISTED = price_list().rates
PRICES: dict[str, Any] = json.loads(TABLE.read_text())


def ran(cpu: str = "1", memory: str = "2Gi", *, phase: str = "stopped", **spec: Any) -> JSON:
    """Return a pod of that size which began an hour ago, and has ended now if `phase` says so."""
    asked = {"requests": {"cpu": cpu, "memory": memory}}
    known_of = known("c", "stopped", 0, started_at=HOUR_AGO) if phase == "stopped" else known(started_at=HOUR_AGO)
    state = task("stopped" if phase == "stopped" else "running", [known_of])
    return after(pod(containers=[container(resources=asked)], **spec), state)


def test_a_pod_that_never_ran_used_nothing() -> None:
    used = pod_usage(pod(), FLAT, NOW)

    assert (used.vcpu_seconds, used.gib_seconds, used.usd) == (0.0, 0.0, 0.0)


def test_an_ended_pod_used_what_it_asked_for_from_start_to_end() -> None:
    used = pod_usage(ran("2", "4Gi"), FLAT, NOW + timedelta(days=1))

    assert (used.vcpu_seconds, used.gib_seconds) == (7200.0, 14400.0)
    assert used.usd == pytest.approx(2 * 0.5 + 4 * 0.25)


def test_a_running_pod_is_counted_up_to_now() -> None:
    assert running_seconds(ran(phase="running"), NOW + timedelta(hours=1)) == 7200.0


def test_what_the_provider_charged_before_the_start_counts() -> None:
    obj = ran()
    obj["metadata"]["annotations"] = {BILLED_FROM: format_time(HOUR_AGO - timedelta(minutes=1))}

    assert running_seconds(obj, NOW) == 3660.0


def test_what_the_provider_charged_counts_though_no_container_began() -> None:
    obj = pod(metadata={"annotations": {BILLED_FROM: format_time(HOUR_AGO)}})

    assert running_seconds(obj, NOW) == 3600.0


def test_a_task_that_is_lost_before_a_container_began_is_charged_until_then() -> None:
    pending = with_state(pod(), task("pending", times=(("pull_started", HOUR_AGO),)), node_name="n", now=HOUR_AGO)
    assert pending is not None
    lost = with_state(pending, lost_task(pending, now=NOW), node_name="n", now=NOW + timedelta(days=1))
    assert lost is not None

    assert running_seconds(lost, NOW + timedelta(days=2)) == 3600.0
    assert finished_at(lost) == NOW


def test_fargate_charges_for_the_size_that_it_sells() -> None:
    cost = pod_usage(ran("1", "1408Mi"), LISTED, NOW).usd

    assert cost == pytest.approx(PRICES["usd_per_vcpu_hour"]["amd64"] + 2 * PRICES["usd_per_gib_hour"]["amd64"])


def test_fargate_charges_a_minute_at_least() -> None:
    obj = after(pod(containers=[container(resources={"requests": {"cpu": "1"}})]), task("running", [known()]))

    second, minute, two = (pod_usage(obj, LISTED, NOW + timedelta(seconds=each)).usd for each in (-59, 0, 60))

    assert second == minute == pytest.approx(two / 2)


def test_a_pod_that_ran_for_a_moment_is_charged_for_too() -> None:
    state = task("stopped", [known("c", "stopped", 0, started_at=NOW)])
    obj = after(pod(containers=[container(resources={"requests": {"cpu": "1"}})]), state)

    assert running_seconds(obj, NOW) == 0.0
    assert pod_usage(obj, LISTED, NOW).usd > 0


def test_spot_leaves_its_part_of_the_price_but_for_disk() -> None:
    spot = {"karpenter.sh/capacity-type": "spot"}
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": "120Gi"}}]

    plain, cheap, large = (
        pod_usage(each, LISTED, NOW).usd
        for each in (ran(), ran(nodeSelector=spot), ran(nodeSelector=spot, volumes=volumes))
    )

    assert cheap == pytest.approx(plain * PRICES["spot_factor"])
    assert large - cheap == pytest.approx(100 * PRICES["usd_per_disk_gib_hour"])


def test_fargate_charges_for_what_it_has_given_the_disk_of_claims_too() -> None:
    obj = ran("1", "2Gi", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "of-100-gib"}}])
    obj["metadata"]["annotations"] = {SIZE: '{"cpu": "2", "memory": "4Gi", "ephemeral-storage": "100Gi"}'}

    cost = pod_usage(obj, LISTED, NOW).usd

    compute = 2 * PRICES["usd_per_vcpu_hour"]["amd64"] + 4 * PRICES["usd_per_gib_hour"]["amd64"]
    assert cost == pytest.approx(compute + 80 * PRICES["usd_per_disk_gib_hour"])


def test_a_pod_with_a_task_says_what_an_hour_of_it_comes_to() -> None:
    asked = {"requests": {"cpu": "1", "memory": "1408Mi"}}
    state = task("stopped", [known("c", "stopped", 0, started_at=HOUR_AGO)])
    new = pod(containers=[container(resources=asked)], nodeSelector={"karpenter.sh/capacity-type": "spot"})

    obj = with_state(new, state, node_name="n", now=NOW)

    assert obj is not None
    rate = json.loads(obj["metadata"]["annotations"][RATE])

    assert (rate["vcpus"], rate["gib"]) == (1.0, 1.375)
    assert rate["usdPerHourOnFargate"] == pytest.approx(pod_usage(obj, LISTED, NOW).usd)


@pytest.mark.parametrize("text", ["", "large", "[]", "7", '{"cpu": "1"}', '{"cpu": "much", "memory": "1Gi"}', "{"])
def test_a_size_that_a_client_has_spoilt_counts_for_nothing(text: str) -> None:
    obj = ran()
    plain = pod_usage(obj, LISTED, NOW)
    obj["metadata"]["annotations"] = {SIZE: text}

    assert pod_usage(obj, LISTED, NOW) == plain


def test_our_own_prices_are_for_what_was_asked_for_whatever_fargate_has_given() -> None:
    obj = ran("1", "2Gi")
    obj["metadata"]["annotations"] = {SIZE: '{"cpu": "2", "memory": "4Gi", "ephemeral-storage": "100Gi"}'}

    assert pod_usage(obj, FLAT, NOW).usd == pytest.approx(0.5 + 2 * 0.25)


def test_arm_has_prices_of_its_own() -> None:
    cost = pod_usage(ran(nodeSelector={"kubernetes.io/arch": "arm64"}), LISTED, NOW).usd

    assert cost == pytest.approx(PRICES["usd_per_vcpu_hour"]["arm64"] + 2 * PRICES["usd_per_gib_hour"]["arm64"])


def test_a_pod_larger_than_fargate_sells_is_priced_as_it_is() -> None:
    cost = pod_usage(ran("64", "1Gi"), LISTED, NOW).usd

    assert cost == pytest.approx(64 * PRICES["usd_per_vcpu_hour"]["amd64"] + PRICES["usd_per_gib_hour"]["amd64"])


def test_the_price_table_says_where_and_when_it_is_from() -> None:
    assert {"date", "region", "source", "sources", "not_counted"} <= PRICES.keys()
    assert PRICES["region"] == "us-east-1"


@pytest.mark.parametrize(("runs_on", "factor"), [("fargate", 1.0), ("fargate-spot", PRICES["spot_factor"])])
def test_what_a_pod_runs_on_counts_and_not_what_it_wanted(runs_on: str, factor: float) -> None:
    wanted, plain = ran(nodeSelector={"karpenter.sh/capacity-type": "spot"}), ran()
    wanted["metadata"]["annotations"] = {CAPACITY: runs_on}

    assert pod_usage(wanted, LISTED, NOW).usd == pytest.approx(pod_usage(plain, LISTED, NOW).usd * factor)
