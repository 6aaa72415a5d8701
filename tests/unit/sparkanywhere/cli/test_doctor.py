"""`sparkanywhere doctor` on machines that lack something."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest

from sparkanywhere.cli.machine_commands import findings


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_cache_that_cannot_be_written_is_a_finding(
    is_folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cache"
    place.mkdir() if is_folder else place.write_text("")
    monkeypatch.setenv("SPARKANYWHERE_CACHE", str(place / "below"))

    found = [each for each in takewhile(lambda each: each.what != "java", findings()) if each.what == "cache"]

    assert [each.is_good for each in found] == ([] if is_folder else [False])
