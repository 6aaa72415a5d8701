"""Which local servers of this user live, by the records that they leave in their state folders.

Each server holds a lock on its record for as long as it lives. The kernel lets go of it however the server ends, so a
record that can be locked is of a dead one: no process id is looked up, which another process may have by now.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chalicelib.config import Settings
from chalicelib.private_folder import make_private

FOLDER = "servers"  # in the folder of an instance


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """A server and how to reach it."""

    url: str
    pid: int = field(default_factory=os.getpid)
    instance: str
    provider: str
    started_at: float  # seconds since 1970
    is_temporary: bool = False  # it ends with the command that has started it
    only_looks: bool = False  # it runs no pods: it is there to read its instance's state
    token: str = field(default="", repr=False)
    ca_pem: str = ""


class HeldRecord:
    """A record of this process's own server, which others find until it is withdrawn or the process ends."""

    def __init__(self, folder: Path, record: ServerRecord) -> None:
        """Write the record into the instance's folder. Raises OSError."""
        make_private(folder / FOLDER)
        # Locked before it has the name by which others find it: they would take it for a dead one's.
        descriptor, hidden = tempfile.mkstemp(prefix=".", dir=folder / FOLDER)
        self._file = os.fdopen(descriptor, "w")
        self._path = folder / FOLDER / f"{Path(hidden).name[1:]}.json"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._file.write(json.dumps(asdict(record)))
            self._file.flush()
            os.rename(hidden, self._path)
        except OSError:
            os.unlink(hidden)
            self._file.close()
            raise

    def withdraw(self) -> None:
        """Remove the record. May be repeated."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def state_root(environ: Mapping[str, str]) -> Path:
    """Return the folder that has a folder for each instance."""
    own = Settings(state=environ.get("SPARKANYWHERE_STATE", ""))
    return own.state_dir(environ).parent.expanduser().absolute()


def living_servers(root: Path) -> list[ServerRecord]:
    """Return the servers of all instances that live, the oldest first; records of dead ones are removed."""
    found = [_living(path) for path in root.glob(f"*/{FOLDER}/*.json")]
    return sorted((each for each in found if each is not None), key=lambda each: each.started_at)


def _living(path: Path) -> ServerRecord | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # withdrawn meanwhile, or not ours to read
        return None
    with contextlib.closing(os.fdopen(descriptor)) as file:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(ValueError, TypeError):  # of another version of ours
                return ServerRecord(**json.load(file))
            return None
        with contextlib.suppress(OSError):
            path.unlink()
    return None
