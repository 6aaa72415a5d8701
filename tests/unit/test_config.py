"""Settings that cannot be right are refused by name."""

from __future__ import annotations

import pytest

from chalicelib.config import Settings, SettingsError


@pytest.mark.parametrize("name", ["default", "pi-7", "Job_1.a"])
def test_an_instance_has_a_name_that_a_folder_can_have(name: str) -> None:
    assert Settings.from_env({"SPARKANYWHERE_INSTANCE": name}).instance == name


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", "..", "-x", "\N{LATIN SMALL LETTER E WITH ACUTE}", "x" * 64])
def test_a_name_that_would_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="SPARKANYWHERE_INSTANCE"):
        Settings.from_env({"SPARKANYWHERE_INSTANCE": name})


def test_zero_is_for_those_that_have_it_as_their_default() -> None:
    assert Settings.from_env({"SPARKANYWHERE_LIST_KIB": "0"}).list_kib == 0
    assert Settings.from_env({"SPARKANYWHERE_PARK_SECONDS": "0"}).park_seconds == 0  # an amount, which all may be 0
    for name in ("SPARKANYWHERE_LIST_KIB", "SPARKANYWHERE_RESYNC_SECONDS"):
        with pytest.raises(SettingsError, match=name):
            Settings.from_env({name: "-1"})
    with pytest.raises(SettingsError, match="not below 1"):
        Settings.from_env({"SPARKANYWHERE_RESYNC_SECONDS": "0"})
