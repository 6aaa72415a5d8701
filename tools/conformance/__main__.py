"""`make conformance`: our answers compared with a real API server's; with RECORD=1 these are recorded anew.

SPARKANYWHERE_CONFORMANCE names another folder of cases than ours, whose table is printed alone.
"""

from __future__ import annotations

import os
import platform
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.project import PROJECT
from tools.conformance.cases import read
from tools.conformance.replay import Replay
from tools.conformance.report import Report, compared, recorded, write_page
from tools.kube_apiserver import ApiServer, find_binaries, kube_apiserver

PAGE = PROJECT / "docs" / "conformance.md"
CASES = PROJECT / "tests" / "data" / "conformance" / "cases"


def main(environ: Mapping[str, str]) -> int:
    """Compare or record; return the exit code: 1 below a floor, 2 if there is nothing to do it with."""
    folder = Path(environ.get("SPARKANYWHERE_CONFORMANCE") or CASES)
    files = read(folder)
    if not files:
        print(f"There are no cases in {folder}.")
        return 2
    with tempfile.TemporaryDirectory() as name:
        if environ.get("RECORD", "") not in ("", "0"):
            return record(folder, Path(name), environ)
        with our_server(Path(name), environ) as server:
            report = compared(files, Replay(server))
    tell(report, "differs")
    if folder == CASES:
        machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
        write_page(PAGE, f"{datetime.now(UTC):%Y-%m-%d}, {machine}; `make conformance`\n\n{report.table()}")
    for line in report.below():
        print(f"BELOW THE FLOOR  {line}")
    return 1 if report.below() else 0


def record(folder: Path, state: Path, environ: Mapping[str, str]) -> int:
    """Record all cases from a real server; tell what has changed since they were recorded before."""
    binaries = find_binaries(environ)
    if binaries is None:
        print("Name a real API server: make conformance RECORD=1 KUBE_APISERVER=path ETCD=path")
        return 2
    with kube_apiserver(binaries, state) as server:
        report = recorded(read(folder), Replay(server), binaries.version())
    tell(report, "has changed")
    return 0


def tell(report: Report, what: str) -> None:
    """Print the table and what does not agree."""
    print(report.table())
    for line in report.differing:
        print(f"{what}: {line}")


@contextmanager
def our_server(state: Path, environ: Mapping[str, str]) -> Iterator[ApiServer]:
    """Yield a control plane that runs no pods, with its state in an empty folder; end it. Raises ServerFailed."""
    token, stranger = secrets.token_hex(16), secrets.token_hex(16)
    tokens = state / "tokens.csv"
    tokens.write_text(f"{stranger},nobody,nobody-uid\n")
    settings = {"SPARKANYWHERE_TOKEN": token, "SPARKANYWHERE_TOKEN_FILE": str(tokens), "SPARKANYWHERE_TLS": "0"}
    server = LocalServer(ServerOptions(state, "conformance", provider="none", settings=settings), environ)
    try:
        yield ApiServer(server.start(), stranger, (server.pid,))
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main(os.environ))
