"""The folder that a deployment is made from: our files, as this version has them, and Terraform's state beside them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.private_folder import make_private, write_private
from sparkanywhere.project import PROJECT

FILES = ("app.py", "requirements.txt", "locks/vendor.txt", ".chalice/policy.json")
VARIABLE = re.compile(r'^variable "(\w+)".*?^  type += (\S+)$', re.MULTILINE | re.DOTALL)
OFFERED = "offered.tfvars.json"
CODE = Path(__file__).resolve().parents[1]
KEPT = shutil.ignore_patterns(".terraform", "*.tfstate*", "terraform.tfvars*", "__pycache__", "examples", "tests")


def known_variables() -> dict[str, str]:
    """Return the types of the variables that our Terraform files take, as Terraform writes them, by name."""
    files = (PROJECT / "terraform" / name for name in ("variables.tf", "provider.tf"))
    return {name: kind for file in files for name, kind in VARIABLE.findall(file.read_text())}


def default_folder(environ: Mapping[str, str], deployment: str) -> Path:
    """Return where a deployment's folder is, unless its user names another."""
    given = Path(environ.get("XDG_DATA_HOME", ""))
    home = given if given.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".local" / "share"
    return home / "sparkanywhere" / "aws" / deployment


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


class ProjectFolder:
    """A folder as a checkout is, as far as Terraform and Chalice look. Raises OSError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.terraform = path / "terraform"
        self.config = path / ".chalice" / "config.json"
        self._variables = self.terraform / "kept.tfvars.json"  # not a name that Terraform loads by itself

    @property
    def variables(self) -> dict[str, Any]:
        """Return what Terraform's variables were set to last by somebody who said yes, {} before the first time."""
        return _read(self._variables) if self._variables.is_file() else {}

    @property
    def offered(self) -> dict[str, Any]:
        """Return what Terraform's variables are set to this time."""
        return _read(self.terraform / OFFERED)

    def offer(self, variables: dict[str, Any]) -> None:
        """Set Terraform's variables for this time, in the file OFFERED beside its files."""
        write_private(self.terraform / OFFERED, json.dumps(variables, indent=2).encode())

    def keep(self) -> None:
        """Let the next time begin with the variables of this one. May be repeated."""
        shutil.copy(self.terraform / OFFERED, self._variables)

    def refresh(self, backend: dict[str, Any] | None) -> None:
        """Bring our files up to date, and set Terraform's S3 backend if one is given. The folder's own stages stay."""
        make_private(self.path)
        for old in (path for path in self.terraform.rglob("*.tf") if ".terraform" not in path.parts):
            old.unlink()
        shutil.copytree(PROJECT / "terraform", self.terraform, dirs_exist_ok=True, ignore=KEPT)
        for name in FILES:
            (self.path / name).parent.mkdir(exist_ok=True)
            shutil.copy(PROJECT / name, self.path / name)
        config = json.loads((PROJECT / ".chalice" / "config.json").read_text())
        stages = json.loads(self.config.read_text())["stages"] if self.config.is_file() else {}
        write_private(self.config, json.dumps({**config, "stages": stages}, indent=2).encode())
        self._copy_code()
        if backend:
            override = {"terraform": {"backend": {"s3": backend}}}
            write_private(self.terraform / "backend_override.tf.json", json.dumps(override).encode())

    def _copy_code(self) -> None:
        """Copy the control plane: a wheel has it below its own package, which goes into vendor/ as a whole."""
        package = make_private.__module__.split(".")[:-1]  # whose name the wheel changes
        installed = len(package) > 1
        source, target = CODE.parent.joinpath(*package), Path("vendor" if installed else "", *package)
        shutil.rmtree(self.path / target, ignore_errors=True)
        shutil.copytree(source, self.path / target, ignore=KEPT)
        if installed:
            shutil.copy(CODE / "__init__.py", self.path / "vendor" / "sparkanywhere" / "__init__.py")
        elif not (self.path / "sparkanywhere").exists():
            (self.path / "sparkanywhere").symlink_to(CODE)
