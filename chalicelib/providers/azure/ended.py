"""What stays of a group in a folder of the control plane's: its logs, and what Azure last said of it when it ended.

An ended group is deleted at Azure: it would count towards the 100 that a subscription has in a region, Azure may start
it again, and it shows 16 KB of a log of which it had 4 MB while the container ran.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from chalicelib.private_folder import make_private
from chalicelib.providers import stored_logs
from chalicelib.providers.azure.arm import Document
from chalicelib.providers.base import LogOptions

GROUP, REASON = "group.json", "reason"
HANDLE = re.compile(r"sa-[a-z0-9-]+")
STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z ?(.*)", re.DOTALL)
MISSED = "-- here the log has a gap: Azure keeps 4 MB of a container that runs, and 16 KB of one that has ended --"
TAIL_BYTES = 64 * 1024


class EndedGroups:
    """The folder. Safe to use from many threads; another control plane has another folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing = threading.Lock()

    def has(self, handle: str) -> bool:
        """Return whether a group has ended and is not forgotten."""
        return (self._of(handle) / GROUP).exists()

    def find(self, handle: str) -> Document | None:
        """Return the group as Azure last told of it, None if it has not ended."""
        try:
            found: Document = json.loads((self._of(handle) / GROUP).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return found

    def keep(self, handle: str, raw: Document) -> None:
        """Write down that a group has ended."""
        with self._writing:
            self._write(handle, GROUP, json.dumps(raw))

    def handles(self) -> list[str]:
        """Return those that have ended and are not forgotten."""
        return sorted(each.parent.name for each in self._folder.glob(f"*/{GROUP}"))

    def reason(self, handle: str) -> str:
        """Return why a group was asked to end, "" if it was not."""
        try:
            return (self._of(handle) / REASON).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def keep_reason(self, handle: str, reason: str) -> None:
        """Write down why; the first reason counts."""
        with self._writing:
            if not self.reason(handle):
                self._write(handle, REASON, reason)

    def forget(self, handle: str) -> None:
        """Remove all that is kept of a group."""
        with self._writing:
            shutil.rmtree(self._of(handle), ignore_errors=True)

    def log_path(self, handle: str, container: str) -> Path:
        """Return where a container's log is kept, in the form of stored_logs."""
        return self._of(handle) / f"{container}.log"

    def add_log(self, handle: str, container: str, content: str, *, ended: bool) -> None:
        """Add to a kept log what is new in `content`, the log's latest part with times before its lines.

        A last line without an end is left for later unless the container has `ended`.
        """
        with self._writing:
            path = self.log_path(handle, container)
            *lines, rest = content.split("\n")
            new = [_parsed(line) for line in lines]
            if new or rest:
                make_private(path.parent)
                last = _last(path)
                kept = list(_news(new, last))
                if ended and rest and (last is None or _parsed(rest)[0] > last[0]):
                    kept.append(_parsed(rest))
                with path.open("ab") as file:
                    for number, (stamp, text) in enumerate(kept, 1):
                        is_open = ended and bool(rest) and number == len(kept)
                        file.write(f"{stamp} {'P' if is_open else 'F'} {text}\n".encode())

    def _of(self, handle: str) -> Path:
        return self._folder / (handle if HANDLE.fullmatch(handle) else "unknown")

    def _write(self, handle: str, name: str, text: str) -> None:
        folder = self._of(handle)
        make_private(folder)
        part = folder / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.rename(folder / name)


def _parsed(line: str) -> tuple[str, str]:
    """Return time, with all nine digits of a second, and text of a line."""
    found = STAMP.fullmatch(line)
    return (f"{found[1]}.{found[2] or '':0<9}Z", found[3]) if found else (stored_logs.NO_TIME.decode(), line)


def _last(path: Path) -> tuple[str, str] | None:
    """Return the last line of a kept log."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - TAIL_BYTES, 0))
        lines = file.read().decode(errors="replace").splitlines()
    return (lines[-1][: stored_logs.STAMP_BYTES], lines[-1][stored_logs.PREFIX_BYTES :]) if lines else None


def _news(lines: list[tuple[str, str]], last: tuple[str, str] | None) -> Iterator[tuple[str, str]]:
    """Yield those lines that follow the last one that is kept, behind a note where others may have been between."""
    if last is None:
        yield from lines
        return
    seen = max((number for number, line in enumerate(lines, 1) if line == last), default=0)
    new = lines[seen:] if seen else [line for line in lines if line[0] > last[0]]
    if new and not seen and len(new) == len(lines):
        yield new[0][0], MISSED
    yield from new


def read(path: Path, options: LogOptions, look: Callable[[], bool], *, pause: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a kept log as the options ask; follow it while `look`, which adds to it, says that the container runs.

    `pause` waits and says whether to go on.
    """
    if options.stream == "stderr":
        return
    if not options.follow:
        yield from stored_logs.read(path, options)
        return
    formatter = stored_logs.Formatter(options)
    lines, end = _whole_lines(path, 0)
    yield formatter.format(lines if options.tail_lines is None else stored_logs.last_lines(lines, options.tail_lines))
    runs = True
    while runs and not formatter.full and pause():
        runs = look()
        lines, end = _whole_lines(path, end)
        yield formatter.format(lines)


def _whole_lines(path: Path, begin: int) -> tuple[list[bytes], int]:
    """Return the lines from that byte on, each without its end, and where the next ones will begin."""
    try:
        with path.open("rb") as file:
            file.seek(begin)
            found, ends, _ = file.read().rpartition(b"\n")
    except FileNotFoundError:  # no log yet
        return [], begin
    return (found.split(b"\n") if ends else []), begin + len(found) + len(ends)
