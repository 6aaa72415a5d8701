"""Fetch one package file from the Python package index with pip, and show how far it is.

pip knows the user's index, proxy and certificates, so nothing here names a host. Its own progress bar
needs a terminal and differs between versions; the growth of its temporary folder needs neither.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sparkanywhere.spark.progress import Progress, Step

POLL_SECONDS = 0.25  # between two looks at the file: a person sees it move
KILL_SECONDS = 5.0  # for pip to end after SIGTERM
UNITS = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
SIZE = re.compile(r"Downloading \S+ \(([\d.]+) (kB|MB|GB)\)")


# What pip prints, and what it means; the first that is found counts.
_REASONS = {
    "No space left on device": "The disk filled up while {} was downloaded.",
    "DO NOT MATCH THE HASHES": "{} did not arrive whole: its checksum is not the one that the package index tells.",
    "IncompleteRead": "{} did not arrive whole: the connection was cut.",
    "incomplete-download": "{} did not arrive whole: the connection was cut.",
    "Connection broken": "{} did not arrive whole: the connection was cut.",
    "(from versions: none)": "{} could not be downloaded: the package index has none, or the network is down.",
    "No matching distribution found": "The package index has no {}.",
}


class DownloadFailed(Exception):
    """The package could not be downloaded; str() is one sentence for the user."""


def download(requirement: str, *, options: Sequence[str], into: Path, scratch: Path, progress: Progress) -> Path:
    """Download `requirement` (name==version) into the folder `into`; return the file.

    `scratch` holds pip's temporary files, so that a killed run leaves them where the caller cleans up.
    Raises DownloadFailed. May be repeated.
    """
    into.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    # -P: what the current folder has of pip's names is not for it to import
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--progress-bar=off"]
    command += ["--disable-pip-version-check", *options, "--dest", str(into), requirement]
    with tempfile.TemporaryFile("w+", dir=scratch) as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(scratch)},
            start_new_session=True,  # a Ctrl-C reaches us alone, and we end the whole group
        )
        try:
            code = _follow(
                process, log.fileno(), name=requirement.replace("==", " "), scratch=scratch, progress=progress
            )
        finally:
            _end_group(process)
        text = _read_all(log.fileno())
    files = [file for file in into.iterdir() if file.is_file()]
    if code != 0 or len(files) != 1:
        raise DownloadFailed(reason(requirement, text))
    return files[0]


def reason(requirement: str, output: str) -> str:
    """Return why pip failed, in one sentence, from what it printed."""
    name = requirement.replace("==", " ")
    for sign, sentence in _REASONS.items():
        if sign in output:
            return sentence.format(name)
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    said = errors[-1].removeprefix("ERROR:").strip() if errors else "pip gave no reason"
    return f"Could not download {name} from the package index (is the network up?): {said}"


def _follow(process: subprocess.Popen[bytes], log: int, *, name: str, scratch: Path, progress: Progress) -> int:
    """Report growth until pip ends (its own time-outs bound the wait); return its exit code."""
    while True:
        try:
            return process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            output = _read_all(log)
        if "build dependencies" in output or "Preparing metadata" in output:
            progress(Step(f"Checking {name}"))
        else:
            progress(Step(f"Downloading {name}", largest_file_bytes(scratch), announced_bytes(output)))


def announced_bytes(output: str) -> int:
    """Return the size pip announced in its output, or 0."""
    found = SIZE.search(output)
    return int(float(found[1]) * UNITS[found[2]]) if found else 0


def largest_file_bytes(folder: Path) -> int:
    """Return the size of the largest file below `folder`; files may vanish meanwhile."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, os.stat(os.path.join(parent, name)).st_size)
            except FileNotFoundError:
                continue
    return largest


def _read_all(log: int) -> str:
    return os.pread(log, os.fstat(log).st_size, 0).decode(errors="replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End pip and its children, whatever state they are in."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it ends now: macOS says EPERM of such a group
            os.killpg(process.pid, sign)
        try:
            process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
