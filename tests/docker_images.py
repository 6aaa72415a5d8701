"""A small image with a shell for tests, made of Debian's busybox-static without asking a registry."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import docker.errors

IMAGE = "busybox:latest"  # the name that the contract's tasks use; an image of that name is left as it is
DOWNLOAD_SECONDS = 120
APPLETS_SECONDS = 10
ROOT_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nspark:x:185:185::/home:/bin/sh\n",
    "etc/group": "root:x:0:\nspark:x:185:\n",
}


def ensure_busybox(client: Any) -> str:  # a docker.APIClient, whose stubs know half of it
    """Return the name of an image with busybox and its shell, imported if the engine has none."""
    try:
        client.inspect_image(IMAGE)
    except docker.errors.ImageNotFound:
        program = _find_program()
        client.import_image_from_data(_tar(program), repository="busybox", tag="latest", changes=['CMD ["sh"]'])
    return IMAGE


def _find_program() -> Path:
    """Return a static busybox: the machine's own, or one out of Debian's package."""
    for place in ("/bin/busybox", "/usr/bin/busybox"):
        if Path(place).exists() and _is_static(Path(place)):
            return Path(place)
    folder = Path(tempfile.mkdtemp(prefix="busybox-"))
    folder.chmod(0o777)  # apt's own user writes here
    subprocess.run(
        ["apt-get", "download", "-q", "busybox-static"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=DOWNLOAD_SECONDS,
    )
    package = next(folder.glob("busybox-static_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True, timeout=DOWNLOAD_SECONDS)
    return next(path for path in (folder / "root").rglob("busybox") if path.is_file() and path.parent.name == "bin")


def _is_static(program: Path) -> bool:
    ldd = shutil.which("ldd")
    if ldd is None:
        return False
    linked = subprocess.run([ldd, program], capture_output=True, check=False, timeout=APPLETS_SECONDS)
    return linked.returncode != 0  # `not a dynamic executable`


def _tar(program: Path) -> bytes:
    listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True, timeout=APPLETS_SECONDS)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("home", 0o777)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
        _add(tar, "bin/busybox", program.read_bytes(), 0o755)
        for name, text in ROOT_FILES.items():
            _add(tar, name, text.encode(), 0o644)
        for applet in listed.stdout.split():
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))
