"""Where the files beside the code are: app.py, .chalice/, images/, terraform/, requirements.txt."""

from __future__ import annotations

from pathlib import Path

_INSTALLED = Path(__file__).with_name("_project")  # tools/wheel_hook.py puts them there
PROJECT = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).resolve().parents[1]
