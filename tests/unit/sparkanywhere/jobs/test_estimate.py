"""What a job would ask for and cost is what its pods ask for and cost."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.controllers.podmodel.usage import hourly_usd
from chalicelib.providers.registry import reference_prices
from sparkanywhere.jobs.estimate import estimate
from sparkanywhere.jobs.objects import build
from sparkanywhere.jobs.spec import JobSpec

CENT = 0.0001  # a hundredth of one, in dollars: amounts are rounded
RATES = reference_prices().rates


def spec(**changed: Any) -> JobSpec:
    return JobSpec(**{"application": "local:///a.py", "executors": 10, **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"driver_cores": 2, "driver_memory": "6g"},
        {"arch": "arm64"},
        {"conf": {"spark.driver.memoryOverhead": "2g", "spark.kubernetes.driver.request.cores": "500m"}},
        {"conf": {"spark.kubernetes.memoryOverheadFactor": "0.1"}},
    ],
)
def test_a_driver_is_the_one_that_would_be_made(changed: dict[str, Any]) -> None:
    job = spec(**changed)
    driver = build(job, suffix="0a", user="ana").driver

    found = estimate(job, RATES).driver

    requests = driver["spec"]["containers"][0]["resources"]["requests"]
    assert (found.cpu, f"{found.memory_mib}Mi") == (parse_quantity(requests["cpu"]).milli / 1000, requests["memory"])
    assert found.usd_per_hour == pytest.approx(hourly_usd(driver, RATES), abs=CENT)


def test_executors_cost_by_their_number_and_less_on_spot() -> None:
    plain, spot = estimate(spec(), RATES), estimate(spec(spot=True), RATES)

    assert plain.executors.usd_per_hour == pytest.approx(
        10 * estimate(spec(executors=1), RATES).executors.usd_per_hour, abs=CENT
    )
    assert spot.executors.usd_per_hour == pytest.approx(plain.executors.usd_per_hour * RATES.spot_factor, abs=CENT)
    assert spot.driver == plain.driver
    assert plain.usd_per_hour == pytest.approx(plain.driver.usd_per_hour + plain.executors.usd_per_hour, abs=CENT)


@pytest.mark.parametrize(
    ("changed", "hours"), [({}, None), ({"time_limit": 7200}, 2.0), ({"time_limit": 1}, RATES.minimum_seconds / 3600)]
)
def test_a_time_limit_says_what_it_costs_at_most(changed: dict[str, Any], hours: float | None) -> None:
    found = estimate(spec(**changed), RATES)

    assert found.usd_at_most == (None if hours is None else pytest.approx(found.usd_per_hour * hours, abs=CENT))


def test_a_budget_below_the_time_limit_is_the_most() -> None:
    assert estimate(spec(time_limit=7200, max_usd="0.01"), RATES).usd_at_most == 0.01
