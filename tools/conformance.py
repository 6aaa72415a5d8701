"""Replay a real kube-apiserver's recorded answers against our own server, and say how many agree.

The recordings are a folder of their own, beside the repository or where SPARKANYWHERE_CONFORMANCE names it; its
run_diff.py compares. FLOORS are the shares that fail the run when undercut; docs/conformance.md keeps the last table.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.project import PROJECT

PAGE = PROJECT / "docs" / "conformance.md"
BEGIN, END = "<!-- conformance: written by make conformance -->", "<!-- conformance ends -->"
LEVELS = ("status", "reason", "given", "shape", "body", "exact")
FLOORS = {"status": 0.98, "reason": 0.97, "given": 0.95, "shape": 0.90}
RUN_SECONDS = 300.0  # 20 s on an idle machine, most of it recorded waiting


@dataclass(frozen=True, slots=True)
class Result:
    """How many of the compared requests agree at each level, and those that don't at the strictest with a floor."""

    requests: int
    agree: Mapping[str, int]
    groups: Mapping[str, Mapping[str, int]]
    differing: tuple[str, ...]

    def share(self, level: str) -> float:
        """Return the share of requests that agree at a level, 0 to 1."""
        return self.agree.get(level, 0) / max(self.requests, 1)

    def below(self) -> list[str]:
        """Return a sentence per floor that is undercut."""
        return [
            f"{level}: {self.share(level):.1%} of {self.requests} requests agree, the floor is {floor:.0%}"
            for level, floor in FLOORS.items()
            if self.share(level) < floor
        ]


def find_suite(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of the recordings, None if this machine has none."""
    given = environ.get("SPARKANYWHERE_CONFORMANCE")
    folder = Path(given) if given else PROJECT.parent / "shared" / "conformance"
    return folder if (folder / "run_diff.py").is_file() else None


def run(suite: Path, state: Path, environ: Mapping[str, str]) -> Result:
    """Start a control plane that runs no pods, replay the recordings, end it; return the result.

    `state` is an empty folder to work in. Raises ServerFailed, or CalledProcessError if run_diff.py breaks.
    """
    token, stranger = secrets.token_hex(16), secrets.token_hex(16)
    tokens = state / "tokens.csv"
    tokens.write_text(f"{stranger},nobody,nobody-uid\n")
    settings = {"SPARKANYWHERE_TOKEN": token, "SPARKANYWHERE_TOKEN_FILE": str(tokens), "SPARKANYWHERE_TLS": "0"}
    server = LocalServer(ServerOptions(state, "conformance", provider="none", settings=settings), environ)
    access = server.start()
    out = state / "result.json"
    try:
        command = [sys.executable, str(suite / "run_diff.py"), "--server", access.url, "--token", token]
        command += ["--norights-token", stranger, "--json", str(out)]
        subprocess.run(
            command,
            env={**environ, "PYTHONDONTWRITEBYTECODE": "1"},  # the folder may be read-only
            stdout=subprocess.DEVNULL,
            timeout=RUN_SECONDS,
            check=True,
        )
    finally:
        server.stop()
    return read_result(out)


def read_result(file: Path) -> Result:
    """Return what run_diff.py wrote."""
    written = json.loads(file.read_text())
    differing = [
        f"{row['id']} {row['request']}: {row['got']}, a real server {row['want']}"
        for row in written["rows"]
        if not row["ok_shape"]
    ]
    return Result(written["requests"], written["totals"], written["per_group"], tuple(differing))


def table(result: Result) -> str:
    """Return the result as a Markdown table."""
    lines = [f"| requests | | {' | '.join(LEVELS)} |", "|---|--:|" + "--:|" * len(LEVELS)]
    for group, counts in sorted(result.groups.items()):
        cells = " | ".join(str(counts.get(level, 0)) for level in LEVELS)
        lines.append(f"| {group} | {counts['requests']} | {cells} |")
    shares = " | ".join(f"**{result.share(level):.1%}**" for level in LEVELS)
    lines.append(f"| **all** | {result.requests} | {shares} |")
    return "\n".join(lines)


def write_page(page: Path, text: str) -> None:
    """Put the table between its markers. Raises ValueError if they are gone."""
    before = page.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    after, count = pattern.subn(lambda _: f"{BEGIN}\n{text}\n{END}", before)
    if count != 1:
        raise ValueError(f"{page.name} has no place for the table: {BEGIN}")
    if after != before:
        page.write_text(after)


def main() -> int:
    """Run, print, write the page; return the exit code: 1 below a floor, 2 without recordings."""
    suite = find_suite(os.environ)
    if suite is None:
        print("No recordings: SPARKANYWHERE_CONFORMANCE names the folder that holds run_diff.py.")
        return 2
    with tempfile.TemporaryDirectory() as state:
        result = run(suite, Path(state), dict(os.environ))
    text = table(result)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    write_page(PAGE, f"{datetime.now(UTC):%Y-%m-%d}, {machine}; `make conformance`\n\n{text}")
    print(text)
    for line in result.differing:
        print(f"differs: {line}")
    problems = result.below()
    for line in problems:
        print(f"BELOW THE FLOOR  {line}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
