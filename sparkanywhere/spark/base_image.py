"""Make the system that our images stand on: packages of Debian's, without a registry and without Docker's build.

Measured in 2026-11 on two cores: mmdebstrap on a RAM disk takes 23 s, two to three times as fast as every other way
that leaves a complete system; it names no mirror, so that Debian's own and its security updates are used.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sparkanywhere.spark.progress import Progress, Step

SUITE = "bookworm"
PACKAGES = ("openjdk-17-jre-headless", "tini", "procps", "ca-certificates", "usr-is-merged")
PYTHON = "python3"
WGET = "wget"  # what a Fargate task fetches its payload by where there is no Python
# What merges /usr comes with all of Perl and has done its work; usr-is-merged takes its place.
UNUSED = (
    *("usrmerge", "perl", "perl-modules-5.36", "libperl5.36"),
    *("libfile-find-rule-perl", "libnumber-compare-perl", "libtext-glob-perl"),
)
PURGE = f'chroot "$1" dpkg --purge {" ".join(UNUSED)}'
# Documentation in a container is never read; excluding it while installing breaks the JRE's own script.
SLIM = 'cd "$1" && rm -rf usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/* var/lib/apt/lists/*'
RECIPE = 1  # goes up when the same packages would give another image
BASE_REPOSITORY = "sparkanywhere/base"
RAM_DISK = Path("/dev/shm")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED_BYTES = 1_500_000_000  # the unpacked system and its tar
BUILD_SECONDS = 1200  # 23 s here; a slow mirror gets patience


class ImageFailed(Exception):
    """An image could not be made; str() is one sentence for the user."""


def base_name(packages: tuple[str, ...] = ()) -> str:
    """Return the tag of the base with further packages, which changes with what is in it."""
    content = f"{RECIPE} {SUITE} {' '.join((*PACKAGES, *packages))} {PURGE} {SLIM}"
    return f"{BASE_REPOSITORY}:{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def has_image(client: Any, name: str) -> bool:
    """Return whether the engine has an image."""
    from docker.errors import ImageNotFound  # whoever has a client has the SDK; it is an extra

    try:
        client.inspect_image(name)
    except ImageNotFound:
        return False
    return True


def ensure_base(client: Any, packages: tuple[str, ...], progress: Progress) -> str:  # Any: a docker.APIClient
    """Return the name of the base image with these packages, made if the engine has none. Raises ImageFailed."""
    from docker.errors import APIError

    name = base_name(packages)
    if has_image(client, name):
        return name
    program = shutil.which("mmdebstrap")
    if program is None:
        raise ImageFailed(
            "mmdebstrap is missing, which makes the base of the Spark image: apt-get install mmdebstrap; where there"
            " is none, as on macOS, take an image that exists, as by --image apache/spark:4.3.0."
        )
    with _scratch() as folder:
        tar = folder / "base.tar"
        _bootstrap(program, packages, tar, progress)
        progress(Step("Handing the base system to the engine"))
        try:
            # the tag in one with the name: Podman passes over one that is given by itself
            client.import_image_from_file(str(tar), repository=name, changes=[f"ENV PATH={PATH}"])
            client.inspect_image(name)  # an import that failed half-way answers 200 as well
        except APIError as error:
            raise ImageFailed(f"The engine did not take the base system: {error.explanation or error}.") from error
    return name


def _bootstrap(program: str, packages: tuple[str, ...], tar: Path, progress: Progress) -> None:
    """Write a Debian with PACKAGES and these as a tar file. Root is not needed where user namespaces are."""
    command = [program, "--variant=apt", f"--include={','.join((*PACKAGES, *packages))}"]
    command += [f"--customize-hook={hook}" for hook in (PURGE, SLIM)]
    log = tar.with_name("mmdebstrap.log")
    environ = {**os.environ, "TMPDIR": str(tar.parent)}
    with log.open("w") as said:
        process = subprocess.Popen(
            [*command, SUITE, str(tar)],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            for line in process.stdout or ():
                said.write(line)
                if line.startswith("I: "):
                    progress(Step(f"Base system: {line.removeprefix('I: ').strip()[:60]}"))
            code = process.wait(BUILD_SECONDS)
    if code:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("E: ")]
        # The last error is only that an inner command failed.
        why = (errors or lines or ["it printed nothing"])[0].removeprefix("E: ")
        raise ImageFailed(f"mmdebstrap could not make the base system: {why}")


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder with room for the system, in RAM if there is enough; remove it afterwards."""
    parent = RAM_DISK if _has_room(RAM_DISK) else Path(tempfile.gettempdir())
    if not _has_room(parent):
        raise ImageFailed(f"The base system needs 1.5 GB of free space in {RAM_DISK} or {parent}.")
    folder = Path(tempfile.mkdtemp(prefix="sparkanywhere-", dir=parent))
    try:
        folder.chmod(0o755)  # mmdebstrap's other user looks in
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > NEEDED_BYTES
