"""A backend that cannot be had says which setting to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.config import Settings, SettingsError
from chalicelib.plane.backends import build_storage


def test_a_local_store_without_a_place_is_a_matter_of_settings(tmp_path: Path) -> None:
    """As on Lambda, whose file system cannot be written, without `make config`."""
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match=r"SPARKANYWHERE_STORAGE another store"):
        build_storage(Settings(state=str(tmp_path / "file" / "below")))
