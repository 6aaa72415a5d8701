"""What goes into the wheel, all of it below `sparkanywhere/`: a hook of hatchling, which pyproject.toml names.

`chalicelib` is what every Chalice project calls its code, so that ours is installed as `sparkanywhere._plane`; what
sparkanywhere/project.py finds goes to `sparkanywhere/_project`. An editable installation is the checkout as it is.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGES = {"chalicelib": "sparkanywhere/_plane", "sparkanywhere": "sparkanywhere"}
PROJECT = "sparkanywhere/_project"
PROJECT_FILES = (
    *("app.py", ".chalice/*.json", "images/*", "requirements.txt", "locks/vendor.txt"),
    *("terraform/**/*.tf", "terraform/.terraform.lock.hcl"),
)
IMPORT = re.compile(r"^(\s*(?:from|import) )chalicelib\b", re.MULTILINE)


class WheelHook(BuildHookInterface):  # type: ignore[type-arg]  # of configurations that we do not read
    """Tells hatchling which files a wheel has, and writes those of which it gets another text."""

    _rewritten = ""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to the build, unless it is an editable one."""
        if version == "editable":
            return
        self._rewritten = tempfile.mkdtemp(prefix="sparkanywhere-wheel-")
        for number, (source, target) in enumerate(contents(Path(self.root))):
            text = rewritten(source)
            if text is not None:
                source = Path(self._rewritten, str(number))
                source.write_text(text, "utf-8")
            build_data["force_include"][str(source)] = str(target)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was written for the build."""
        if self._rewritten:
            shutil.rmtree(self._rewritten)


def rewritten(source: Path) -> str | None:
    """Return the text that a file has in the wheel, None where it is the same."""
    if source.suffix == ".py":
        return IMPORT.sub(r"\1sparkanywhere._plane", source.read_text("utf-8"))
    if source.match(
        ".chalice/config.json"
    ):  # its stages are deployments: `make config` writes names of an account there
        return json.dumps(json.loads(source.read_text("utf-8")) | {"stages": {}}, indent=2) + "\n"
    return None


def contents(root: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield each file of the checkout that is installed, and its path in the wheel."""
    for package, target in PACKAGES.items():
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, PurePosixPath(target) / path.relative_to(root / package).as_posix()
    for pattern in PROJECT_FILES:
        for path in sorted(root.glob(pattern)):
            yield path, PurePosixPath(PROJECT) / path.relative_to(root).as_posix()
