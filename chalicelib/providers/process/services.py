"""Services on local processes: their names, as lines of a hosts file that each task sees at /etc/hosts.

A file begins with what its task alone has and ends with the services, under a line that says of which revision and in
which domains the task looks names up. It is written in place: what is mounted in a container is the file itself.
"""

from __future__ import annotations

import os
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from chalicelib.providers.base import ProviderUnavailable, Task
from chalicelib.providers.service_table import ServiceTable
from chalicelib.providers.supervised.directory import HOSTS_FILE

HOSTS = Path("/etc/hosts")
_MARK = re.compile(r"^# services, revision (\d+), in:(.*)\n", re.MULTILINE)


class HostsFiles:
    """The hosts files of all tasks below `tasks`; `obstacle` returns why they can have none. Thread-safe."""

    network = None
    proxy_addresses: tuple[str, ...] = ()

    def __init__(self, tasks: Path, obstacle: Callable[[], str]) -> None:
        self._tasks = tasks
        self._obstacle = obstacle
        self._guard = threading.Lock()
        self._table = ServiceTable(0)

    def problem(self) -> str:
        """Return why tasks find no services: without namespaces they see the host's own file."""
        obstacle = self._obstacle()
        return f"pods have no namespaces of their own here ({obstacle})" if obstacle else ""

    def write(self, task: Task, address: str, file: Path) -> None:
        """Write a new task's file. Raises OSError."""
        hostname = task.hostname or task.name
        names = f"{hostname}.{task.domain}\t{hostname}" if task.domain else hostname  # `hostname -f` says the first
        own = "".join(f"{at}\t{name}\n" for at, name in ((address, names), *task.host_entries))
        with self._guard:
            services = services_text(self._table, task.search_domains)
        with suppress(OSError):
            own = HOSTS.read_text(errors="replace").rstrip("\n") + "\n" + own
        file.write_text(own + services)

    def publish(self, table: ServiceTable) -> None:
        """Write the services into every task's file, unless newer ones stand there. Raises ProviderUnavailable."""
        with self._guard:
            if table.revision >= self._table.revision:
                self._table = table
            try:
                for file in self._tasks.glob(f"*/{HOSTS_FILE}"):
                    with suppress(FileNotFoundError):  # the task has just been removed
                        renew(file, table)
            except OSError as error:
                raise ProviderUnavailable("HostsNotWritten", f"names of services can't be written: {error}") from error


def renew(file: Path, table: ServiceTable) -> None:
    """Have a task's file end with these services, unless it has newer ones. Raises OSError."""
    text = file.read_text(errors="surrogateescape")
    mark = _MARK.search(text)
    if mark is None or int(mark[1]) > table.revision:
        return
    services = services_text(table, mark[2].split())
    if services.partition("\n")[2] == text[mark.end() :]:
        return
    content = (text[: mark.start()] + services).encode(errors="surrogateescape")
    with file.open("r+b") as opened:
        opened.write(content)
        opened.flush()
        os.ftruncate(opened.fileno(), len(content))


def services_text(table: ServiceTable, domains: Sequence[str]) -> str:
    """Return the lines of all services, each name in the lengths by which it is found in these domains."""
    lines: dict[str, list[str]] = defaultdict(list)
    for name, addresses in table.names if domains else ():
        known = [name.removesuffix(f".{domain}") for domain in domains if name.endswith(f".{domain}")]
        for address in addresses:
            lines[address] += [*known, name]
    text = "".join(f"{address}\t{' '.join(names)}\n" for address, names in sorted(lines.items()))
    return f"# services, revision {table.revision}, in: {' '.join(domains)}\n{text}"
