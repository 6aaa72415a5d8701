"""dynoxide: a DynamoDB by others, which a public conformance suite holds against the service itself.

`make test-dynoxide` builds it (dynoxide-rs 3.2 of crates.io, MIT or Apache-2.0) and runs the contract on it.
"""

from __future__ import annotations

import socket
import subprocess
from contextlib import closing
from pathlib import Path

import requests

from tests.waiting import until

BINARY = Path(__file__).resolve().parents[2] / ".make" / "dynoxide" / "bin" / "dynoxide"
START_SECONDS = 30.0
END_SECONDS = 10.0


def missing() -> str:
    """Return why it can't be used, in one sentence; empty if it can."""
    return "" if BINARY.exists() else "dynoxide is not built: make test-dynoxide does, with cargo"


class Dynoxide:
    """A server with a database of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        with closing(
            socket.create_server(("127.0.0.1", 0))
        ) as probe:  # asked for port 0, it does not say which it took
            port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "dynoxide.log").open("wb")
        self._process = subprocess.Popen(
            [BINARY, "serve", "--port", str(port), "--log", "quiet"], stdout=self._log, stderr=subprocess.STDOUT
        )
        until(self._answers, "dynoxide to answer", seconds=START_SECONDS)

    def close(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait(END_SECONDS)
        self._log.close()

    def _answers(self) -> bool:
        try:
            return requests.get(self.url, timeout=START_SECONDS).status_code < 500
        except requests.ConnectionError:
            return False
