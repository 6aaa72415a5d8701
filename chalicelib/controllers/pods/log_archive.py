"""LogArchive: logs of tasks that are about to be forgotten, in files of this machine, as long as somebody needs them.

    UID/CONTAINER.log     what a container said in its last run, as providers/stored_logs.py has it
    .UID.SUFFIX/          of a copy that was under way when its process died; a sweep removes it

A log is there wholly or not at all. Files of a provider are linked, and so moved once the task goes: a crash before
that leaves both names, and nothing is read twice.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from chalicelib.private_folder import make_private
from chalicelib.providers import stored_logs
from chalicelib.providers.base import LogOptions, Provider, ProviderError, ProviderUnavailable, TaskNotFound
from chalicelib.providers.extensions import HasLogFiles

LOG = logging.getLogger(__name__)


class LogArchive:
    """Logs below one folder, each with at most `max_bytes`: the newest lines stay. Safe to call from many threads."""

    def __init__(self, root: Path, provider: Provider, *, max_bytes: int) -> None:
        self._root = root
        self._provider = provider
        self._max_bytes = max_bytes

    def keep(self, uid: str, handle: str, containers: Collection[str]) -> dict[str, str]:
        """Keep the logs of a task; return why not, by container. May be repeated, also once the task is gone."""
        problems: dict[str, str] = {}
        try:
            make_private(self._root)
            folder = Path(tempfile.mkdtemp(prefix=f".{uid}.", dir=self._root))
        except OSError as error:
            return dict.fromkeys(containers, f"it could not be written: {error.strerror}")
        try:
            for name in containers:
                try:
                    self._keep_one(folder / f"{name}.log", handle, name)
                except TaskNotFound:
                    if not self._move_old(uid, name, folder):
                        problems[name] = "the provider had it no more"
                except ProviderUnavailable as error:
                    problems[name] = error.message
                except OSError as error:
                    problems[name] = f"it could not be written: {error.strerror}"
            with suppress(FileNotFoundError):
                shutil.rmtree(self._root / uid)
            folder.rename(self._root / uid)
        except OSError as error:
            LOG.warning("logs not kept uid=%s error=%s", uid, error)
            shutil.rmtree(folder, ignore_errors=True)
            return dict.fromkeys(containers, f"it could not be written: {error.strerror}")
        return problems

    def _move_old(self, uid: str, container: str, folder: Path) -> bool:
        """Take over what an earlier call has kept; return whether there is any."""
        old = stored_logs.parts(self._root / uid / f"{container}.log")
        for file in old:
            _link(file, folder / file.name)
        return bool(old)

    def _keep_one(self, path: Path, handle: str, container: str) -> None:
        """Link the files of a log, or write what the provider tells of it. Raises OSError and ProviderErrors."""
        if not isinstance(self._provider, HasLogFiles):
            self._write(path, stored_logs.stored_lines(partial(self._provider.logs, handle, container)))
            return
        files = self._provider.log_files(handle, container)
        if sum(file.stat().st_size for file in files) > self._max_bytes:
            self._write(path, (line + b"\n" for file in files for group in stored_logs.groups(file) for line in group))
            return
        for number, file in enumerate(reversed(files)):
            _link(file, path.with_name(f"{path.name}.{number}") if number else path)
        path.touch(mode=0o600)  # of a container that said nothing

    def _write(self, path: Path, lines: Iterable[bytes]) -> None:
        """Write lines, half of what may be kept in the file and half in the one before it."""
        file, size = path.open("wb"), 0
        try:
            for line in lines:
                if size and size + len(line) > self._max_bytes // 2:
                    file.close()
                    path.replace(path.with_name(f"{path.name}.1"))
                    file, size = path.open("wb"), 0
                size += file.write(line)
        except (OSError, ProviderError):
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}.1").unlink(missing_ok=True)
            raise
        finally:
            file.close()

    def find(self, uid: str, container: str, options: LogOptions) -> Iterator[bytes] | None:
        """Return what is kept of a log, as the options say; None for nothing. What is kept grows no more."""
        path = self._root / uid / f"{container}.log"
        return stored_logs.read(path, options) if path.exists() and not options.previous else None

    def remove(self, uid: str) -> None:
        """Remove what is kept of a task. May be repeated."""
        shutil.rmtree(self._root / uid, ignore_errors=True)

    def older_than(self, moment: float) -> list[str]:
        """Return the uids of which something was kept before a moment, in seconds since 1970; drop what lies about."""
        found = []
        with suppress(FileNotFoundError):
            for each in list(os.scandir(self._root)):
                if each.stat().st_mtime >= moment:
                    continue
                if each.name.startswith("."):
                    shutil.rmtree(each.path, ignore_errors=True)
                else:
                    found.append(each.name)
        return found


def _link(file: Path, name: Path) -> None:
    """Give a file another name; a copy where the file system has no second names. Raises OSError."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)
