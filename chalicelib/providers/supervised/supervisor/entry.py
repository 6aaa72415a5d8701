"""The supervisor's beginning: become a daemon, wait for a plan on standard input, answer, run it.

It may be started before there is anything to do; if its starter goes away first, it goes too.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys

from chalicelib.providers.supervised.records import STATE_FILE, Plan
from chalicelib.providers.supervised.supervisor.loop import Supervisor

LENGTH_BYTES = 8  # of the number before the plan: its size in bytes, big-endian
READY = b"+"
REFUSED = b"-"
ERRORS_FILE = "supervisor.log"
MAX_DESCRIPTORS = 2


def main() -> None:
    """Run one task; return when it is over or was begun before."""
    if os.fork():
        os._exit(0)  # whoever started us need not wait for us
    channel = socket.socket(fileno=0)
    received = _receive(channel)
    if received is None:
        return
    plan, held = received
    for descriptor in held:  # the claim on the task and on its address, for as long as we live
        os.set_inheritable(descriptor, False)
    os.chdir(plan["directory"])
    os.umask(0o077)
    if os.path.exists(STATE_FILE):  # one like us had this task before, and died
        channel.sendall(REFUSED)
        return
    supervisor = Supervisor(plan)
    supervisor.prepare()
    with contextlib.suppress(OSError):  # our starter died: the task runs all the same, and is found later
        channel.sendall(READY)
    # We let go of what we were started with; what goes wrong from here on is written to a file.
    nothing = os.open(os.devnull, os.O_RDWR)
    errors = os.open(ERRORS_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    channel.detach()
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(errors, 2)
    sys.stderr.flush()
    supervisor.run()


def _receive(channel: socket.socket) -> tuple[Plan, list[int]] | None:
    """Return the plan and the descriptors that come with it; None if the other side went away."""
    header, held, _, _ = socket.recv_fds(channel, LENGTH_BYTES, MAX_DESCRIPTORS)
    if len(header) < LENGTH_BYTES:
        return None
    length = int.from_bytes(header, "big")
    body = bytearray()
    while len(body) < length:
        chunk = channel.recv(length - len(body))
        if not chunk:
            return None
        body += chunk
    plan: Plan = json.loads(body)
    return plan, held


if __name__ == "__main__":
    main()
