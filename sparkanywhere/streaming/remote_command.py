"""exec and attach: a session's streams as numbered channels over a WebSocket.

Each message begins with its channel's number. Protocols v4 and v5.channel.k8s.io; v5 lets the client
say that its input ends. Reference: Kubernetes KEP-4006; k8s.io/apimachinery/pkg/util/remotecommand (v1.36).
"""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.interactive import Session
from sparkanywhere.streaming.websocket import GOODBYE_SECONDS, WebSocket

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)  # the best first

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255  # v5: the next byte names the channel that ends

_MOST_CELLS = 10_000  # columns or rows; a terminal's size is a 16-bit number


class RemoteCommand:
    """Connects a WebSocket with a session until one of them ends, and says how the command ended."""

    def __init__(self, socket: WebSocket, session: Session) -> None:
        self._socket = socket
        self._session = session
        self._input_is_over = threading.Event()

    def run(self) -> None:
        """Carry bytes both ways; return when both are at their end. The session is closed then."""
        sender = threading.Thread(target=self._send_output, name="session-output", daemon=True)
        try:
            self._socket.send(bytes([STDOUT]))  # as a real server: clients take it for "connected"
            sender.start()
            while (message := self._socket.receive()) is not None:
                channel, data = message[:1], message[1:]
                # A command that reads no more input may well go on writing: that is not the session's end.
                with contextlib.suppress(OSError):
                    if channel == bytes([STDIN]) and data:
                        self._session.write(data)
                    elif channel == bytes([CLOSE]) and data == bytes([STDIN]):
                        self._session.end_input()
                    elif channel == bytes([RESIZE]) and (size := terminal_size(data)) is not None:
                        self._session.resize(columns=size[0], rows=size[1])
        except OSError:
            pass  # the client has left
        finally:
            self._input_is_over.set()
            self._session.close()
            if sender.ident is not None:
                sender.join()

    def _send_output(self) -> None:
        try:
            while (piece := self._session.read()) is not None:
                source, data = piece
                if data:
                    self._socket.send(bytes([STDOUT if source == "stdout" else STDERR]) + data)
                elif self._socket.client_is_gone():
                    self._session.close()
            if not self._input_is_over.is_set():
                status = exit_status(self._session.exit_code())
                self._socket.send(bytes([ERROR]) + json.dumps(status).encode())
                self._socket.close()
                self._input_is_over.wait(GOODBYE_SECONDS)
        except OSError:
            self._session.close()
        finally:
            self._socket.end()  # wakes the thread that receives


def refuse(socket: WebSocket, error: StatusError) -> None:
    """Tell the client, on its open connection, why there is no session; it shows the message."""
    with contextlib.suppress(OSError):
        socket.send(bytes([ERROR]) + json.dumps(error.to_dict()).encode())
        socket.say_goodbye()


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
