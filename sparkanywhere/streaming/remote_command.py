"""exec and attach: a session's streams as channels of a client's connection, and how it ended on one of them.

What a protocol's version changes is what the error channel tells: from v4 on a Status as JSON, before that the
message of a failure and nothing of a success. Reference: k8s.io/cri-streaming/pkg/streaming/remotecommand (v1.36),
KEP-4006.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import Any

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.interactive import Session
from sparkanywhere.streaming.channels import ERROR, RESIZE, STDERR, STDIN, STDOUT, V5, Channels, Piece

V4, V3, V2, V1 = "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"
SPDY_PROTOCOLS = (V4, V3, V2, V1)
WEB_SOCKET_PROTOCOLS = (V5, V4, "v4.base64.channel.k8s.io", V1, "base64.channel.k8s.io", "")
RESIZABLE = (V4, V3)  # of SPDY's: those that have a stream for the terminal's size

# For a client to read what is on its way to it, and to close the connection: closed by us while the client still
# sends (pings), it would lose the rest. As upstream.
FINISH_SECONDS = 15 * 60.0
# Between two pieces of output that nobody hears, 32 KiB each: a command that its client has left comes to its end,
# and one that has none does not take up a processor.
UNHEARD_SECONDS = 0.02

_MOST_CELLS = 10_000  # columns or rows; a terminal's size is a 16-bit number


class RemoteCommand:
    """Connects channels with a session until that ends or the client leaves, and says how it ended.

    The command of a client that leaves runs on (`outlives_client`), as on a real cluster (kubernetes issue 89031): its
    input ends, and what it says goes nowhere. What was only held is let go.
    """

    def __init__(self, channels: Channels, session: Session, *, protocol: str, outlives_client: bool) -> None:
        self._channels = channels
        self._session = session
        self._protocol = protocol
        self._outlives_client = outlives_client
        self._client_has_left = threading.Event()

    def run(self) -> None:
        """Carry bytes both ways; return when the client has left, or has been told of the end."""
        sender = threading.Thread(target=self._send_output, name="session-output", daemon=True)
        sender.start()
        try:
            while (piece := self._channels.receive()) is not None:
                # A command that reads no more input may well go on writing: that is not the session's end.
                with contextlib.suppress(OSError):
                    self._take(piece)
        finally:
            self._session.end_input()
            self._leave()

    def _take(self, piece: Piece) -> None:
        if piece.channel == STDIN and piece.data:
            self._session.write(piece.data)
        if piece.channel == STDIN and piece.ends:
            self._session.end_input()
        elif piece.channel == RESIZE and (size := terminal_size(piece.data)) is not None:
            self._session.resize(columns=size[0], rows=size[1])

    def _leave(self) -> None:
        """Note that the client has left. May be repeated, by either thread."""
        self._client_has_left.set()
        if not self._outlives_client:
            self._session.close()
        self._channels.end()  # wakes the thread that receives

    def _send_output(self) -> None:
        try:
            while (piece := self._session.read()) is not None:
                source, data = piece
                if self._client_has_left.is_set():
                    time.sleep(UNHEARD_SECONDS if data else 0)
                    continue
                try:
                    if data:
                        self._channels.send(STDOUT if source == "stdout" else STDERR, data)
                    elif self._channels.client_is_gone():
                        self._leave()
                except OSError:
                    self._leave()
            if not self._client_has_left.is_set():
                with contextlib.suppress(OSError):
                    tell(self._channels, exit_status(self._session.exit_code()), self._protocol)
                    self._client_has_left.wait(FINISH_SECONDS)
        finally:
            self._session.close()
            self._channels.end()


def tell(channels: Channels, status: JSON, protocol: str) -> None:
    """Tell the client, on its open connection, how its session ended, or why it has none. Raises OSError."""
    if protocol.startswith(("v4.", V5)):
        channels.send(ERROR, json.dumps(status).encode())
    elif status["status"] != "Success":
        channels.send(ERROR, str(status["message"]).encode())
    channels.finish()


def refuse(channels: Channels, error: StatusError, protocol: str) -> None:
    """Tell the client, on its open connection, why it has no session; it shows the message."""
    with contextlib.suppress(OSError):
        tell(channels, error.to_dict(), protocol)
        while channels.receive() is not None:
            pass


def terminal_size(data: bytes) -> tuple[int, int] | None:
    """Return (columns, rows) of a resize message, None for anything else."""
    try:
        size: Any = json.loads(data)  # Any: a client's JSON
        columns, rows = int(size["Width"]), int(size["Height"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (columns, rows) if 0 < columns < _MOST_CELLS and 0 < rows < _MOST_CELLS else None


def exit_status(code: int | None) -> JSON:
    """Return the Status by which a client learns how a command ended; None is the end of an attachment."""
    if not code:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
