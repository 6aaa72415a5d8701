"""Which machine pods run on, and the folders that they share with it, as nodes tell clients: an annotation with JSON.

A client that finds its own file system there is on that machine; a URL of this machine may be a tunnel to another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import Provider
from chalicelib.providers.extensions import SharedFolders, SharesFolders

SHARED_FOLDERS = "sparkanywhere.io/shared-folders"
LANDMARKS = ("/", "/etc", "/usr", "/tmp")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux's: it tells machines from copies of their disks


def file_system() -> str:
    """Return what tells the file system that this process sees from those of other machines and of containers."""
    seen = [(found.st_dev, found.st_ino) for found in map(os.stat, LANDMARKS)]
    boot = ""
    with suppress(OSError):
        boot = BOOT_ID.read_text("ascii").strip()
    return hashlib.sha256(f"{socket.gethostname()} {boot} {seen}".encode()).hexdigest()[:16]


def node_annotations(provider: Provider) -> dict[str, str]:
    """Return what the provider's nodes are to be annotated with."""
    folders = provider.shared_folders if isinstance(provider, SharesFolders) else None
    if folders is None:
        return {}
    return {SHARED_FOLDERS: json.dumps({**asdict(folders), "file_system": file_system()}, sort_keys=True)}


def shared_folders(node: JSON) -> SharedFolders | None:
    """Return what a node says; None where it says nothing, or means another file system than ours.

    A node that shares no folder says so, if its pods run on this machine.
    """
    try:
        told = json.loads(annotations_of(node).get(SHARED_FOLDERS, ""))
        if told["file_system"] != file_system():
            return None
        return SharedFolders(
            tuple(map(str, told["paths"])), user=str(told["user"]), is_mounted=bool(told["is_mounted"])
        )
    except (ValueError, TypeError, KeyError):
        return None
