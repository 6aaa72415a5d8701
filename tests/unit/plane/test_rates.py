"""What a pod costs, by the settings: the provider's list price, nothing, or what somebody has set."""

from __future__ import annotations

import pytest

from chalicelib.config import Settings, SettingsError
from chalicelib.plane.backends import build_rates
from chalicelib.providers.fargate.prices import price_list


@pytest.mark.parametrize("provider", ["process", "docker", "none"])
def test_this_machine_is_free(provider: str) -> None:
    assert build_rates(Settings.from_env({"SPARKANYWHERE_PROVIDER": provider})).are_free


def test_fargate_has_its_list_prices() -> None:
    rates = build_rates(Settings.from_env({"SPARKANYWHERE_PROVIDER": "fargate"}))

    assert rates is price_list().rates
    assert not rates.are_free


@pytest.mark.parametrize("provider", ["process", "fargate"])
def test_prices_that_are_set_take_the_place_of_the_providers(provider: str) -> None:
    given = {"SPARKANYWHERE_USD_PER_VCPU_HOUR": "0.5", "SPARKANYWHERE_USD_PER_GIB_HOUR": "0"}

    rates = build_rates(Settings.from_env({"SPARKANYWHERE_PROVIDER": provider, **given}))

    assert dict(rates.vcpu_hour) == {"amd64": 0.5, "arm64": 0.5}
    assert dict(rates.gib_hour) == {"amd64": 0.0, "arm64": 0.0}


@pytest.mark.parametrize("text", ["-1", "much", "nan", "inf"])
def test_a_price_that_is_none_ends_the_start_with_its_name(text: str) -> None:
    with pytest.raises(SettingsError, match="SPARKANYWHERE_USD_PER_GIB_HOUR"):
        Settings.from_env({"SPARKANYWHERE_USD_PER_GIB_HOUR": text})
