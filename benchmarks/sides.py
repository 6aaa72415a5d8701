"""Our server, and a real API server where its programs are named, both over TLS with a token and measured by turns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.load import Connection, Measured, Target, drive
from sparkanywhere.client.access import find_target
from sparkanywhere.client.kube_client import tls_context
from sparkanywhere.local.kubeconfig import CONTEXT
from tests.functional.local_server import chalice_local
from tools.kube_apiserver import ApiServer, find_binaries, kube_apiserver

OURS, THEIRS = "ours", "real"
MIB = 1024 * 1024
ALONE = "Our server alone was measured: `KUBE_APISERVER=path ETCD=path` name a real API server to run beside it."


@dataclass(slots=True)
class Row:
    """What so many clients measured of one operation, in all rounds."""

    measured: Measured = field(default_factory=Measured)
    server_seconds: float = 0.0  # processor time of the server

    @property
    def server_ms(self) -> float:
        """Return the server's processor time for a request, in milliseconds."""
        return self.server_seconds / len(self.measured.seconds) * 1000


class Side:
    """One server under measurement, and what was measured of it: by operation and number of clients."""

    def __init__(self, name: str, target: Target, pids: Iterable[int]) -> None:
        self.name = name
        self.target = target
        self.rows: dict[tuple[str, int], Row] = {}
        self.figures: dict[str, float] = {}  # by what they are of, with its unit
        self.made: list[str] = []  # paths of living pods
        self._processes = [psutil.Process(pid) for pid in pids]

    def connect(self) -> Connection:
        """Return a new connection."""
        return Connection(self.target)

    def measure(self, operation: str, requests: Iterable[bytes], *, clients: int) -> None:
        """Send the requests and keep what they took."""
        before = self.server_seconds()
        self.add(operation, clients, drive(self.target, requests, clients=clients), before)

    def add(self, operation: str, clients: int, measured: Measured, before: float) -> None:
        """Keep what was measured since the server had used `before` seconds of processor time."""
        row = self.rows.setdefault((operation, clients), Row())
        row.measured.seconds += measured.seconds
        row.measured.wall_seconds += measured.wall_seconds
        row.server_seconds += self.server_seconds() - before

    def server_seconds(self) -> float:
        """Return the processor time that the server has used."""
        times = [process.cpu_times() for process in self._processes]
        return float(sum(each.user + each.system for each in times))

    def memory_mib(self) -> float:
        """Return the server's resident memory."""
        return float(sum(process.memory_info().rss for process in self._processes)) / MIB


@contextmanager
def sides() -> Iterator[list[Side]]:
    """Yield our server on durable SQLite and, if it is named, the real one beside it, both empty. Raises NoServer."""
    binaries = find_binaries(os.environ)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        arguments = ("--provider", "none", "--port", "0", "--tls")
        server = stack.enter_context(chalice_local(folder / "ours", *arguments))
        server.wait_until_ready()
        ours = find_target({"KUBECONFIG": str(server.kubeconfig)}, context=CONTEXT).access
        found = [_side(OURS, ApiServer(ours, "", (server.process.pid,)))]
        if binaries is not None:
            (folder / "real").mkdir()
            found.append(_side(THEIRS, stack.enter_context(kube_apiserver(binaries, folder / "real"))))
        yield found


def _side(name: str, server: ApiServer) -> Side:
    target = Target(urlsplit(server.access.url).port or 0, server.access.token, tls_context(server.access))
    return Side(name, target, server.pids)


def compared_with() -> str:
    """Return a sentence on what ran beside ours. Raises NoServer."""
    binaries = find_binaries(os.environ)
    return ALONE if binaries is None else f"Beside it: {binaries.version()}, figures of both programs together."


def table(found: list[Side]) -> str:
    """Return the Markdown of all rows: ours alone, or both sides and how many times quicker we are."""
    names = [side.name for side in found]
    columns = [f"{name} {what}" for what in ("p50 ms", "p99 ms", "/s", "server ms") for name in names]
    compared = len(found) > 1
    lines = [_line(["pods", "clients", *columns, *(["times as quick"] if compared else [])])]
    lines.append("|---|" + "--:|" * (len(columns) + 1 + compared))
    for operation, clients in found[0].rows:
        rows = [side.rows[operation, clients] for side in found]
        cells = [f"{row.measured.percentile_ms(percent):.2f}" for percent in (50, 99) for row in rows]
        cells += [f"{row.measured.rate:,.0f}" for row in rows] + [f"{row.server_ms:.2f}" for row in rows]
        lines.append(_line([operation, str(clients), *cells, *([quicker(rows, clients)] if compared else [])]))
    lines += ["", _line(["server", *names]), "|---|" + "--:|" * len(names)]
    lines += [_line([what, *(f"{side.figures[what]:.1f}" for side in found)]) for what in found[0].figures]
    return "\n".join(lines)


def quicker(rows: list[Row], clients: int) -> str:
    """Return how many times as quick the first is: by its p50, of many clients by their requests a second."""
    ours, theirs = (row.measured for row in rows)
    ratio = theirs.percentile_ms(50) / ours.percentile_ms(50) if clients == 1 else ours.rate / theirs.rate
    return f"{ratio:.2f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
