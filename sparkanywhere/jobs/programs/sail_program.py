"""The program of a Sail server's pod: Spark Connect without a JVM, until nobody has been connected for so long.

It runs by the job's own Python and needs pysail alone. A connection is use: the gateway keeps one while calls are under
way, and a few seconds longer. Reference: docs.lakesail.com, pysail.spark.SparkConnectServer (0.7); proc_pid_net(5).
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

LISTENS = "Spark Connect listens on port"  # as connect_program.py says it
ALL_ADDRESSES = "all-addresses"  # as an argument: of the pod
LOOK_SECONDS = 2.0
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
ESTABLISHED = "01"


def is_connected(port: int, tables: Iterable[str] = TABLES) -> bool:
    """Return whether a client is connected to a port of this machine; True where the system does not tell."""
    found = [Path(each).read_text().splitlines()[1:] for each in tables if Path(each).exists()]
    rows = [line.split() for lines in found for line in lines]
    here = [state for _, local, _, state, *_ in rows if int(local.rpartition(":")[2], 16) == port]
    return not found or ESTABLISHED in here


def main(idle_seconds: float, address: str, port: int, archive: str = "") -> None:
    """Serve until nobody has been connected for so long; 0: forever. `archive` holds the packages, if given."""
    if archive:
        folder = tempfile.mkdtemp(prefix="packages-")
        with tarfile.open(archive) as packages:
            packages.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 of our image has none
            packages.extractall(folder)
        sys.path.insert(0, folder)
    from pysail.spark import SparkConnectServer  # type: ignore[import-not-found]  # within the pod alone

    server = SparkConnectServer("0.0.0.0" if address == ALL_ADDRESSES else address, port)
    server.start(background=True)
    bound = server.listening_address[1]
    print(LISTENS, bound, flush=True)
    used_at = time.monotonic()
    while not idle_seconds or time.monotonic() - used_at < idle_seconds:
        time.sleep(LOOK_SECONDS)
        if is_connected(bound):
            used_at = time.monotonic()
    print(f"Nobody has used this server for {idle_seconds:g} s: it ends", flush=True)
    server.stop()


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
