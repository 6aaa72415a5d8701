"""The folder that a deployment is made from: our files are renewed in it, and what its user has set stays."""

from __future__ import annotations

import json
from pathlib import Path

from sparkanywhere.deployment.project_folder import ProjectFolder


def test_a_folder_begins_without_stages_and_keeps_those_it_has_got(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path / "made")
    folder.refresh(None)
    config = json.loads(folder.config.read_text())
    stage = {"environment_variables": {"SPARKANYWHERE_WATCH": "buffered"}}
    folder.config.write_text(json.dumps({**config, "app_name": "old", "stages": {"prod": stage}}))

    folder.refresh(None)

    assert config["stages"] == {}
    assert json.loads(folder.config.read_text()) == {**config, "stages": {"prod": stage}}
