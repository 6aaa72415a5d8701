"""`chalice local --autoreload` with our server: the reloader restarts it when a project file changes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from chalice.cli import reloader

from sparkanywhere.local.devserver import ChaliceApp, ChaliceConfig, DevServer, open_server
from sparkanywhere.local.local_settings import LocalOptions
from sparkanywhere.local.start import CannotStart


def run_with_reloader(
    options: LocalOptions, load_app: Callable[[], tuple[ChaliceApp, ChaliceConfig]], project: str
) -> int:
    """Serve under Chalice's reloader until SIGTERM or Ctrl-C; return the exit code.

    Chalice starts this twice: in the parent, which restarts its child, and in the child (CHALICE_WORKER
    is set), which serves in a thread and watches the project's files.
    """
    servers: list[DevServer] = []

    def new_server() -> DevServer:
        try:
            servers.append(open_server(options, os.environ, load_app))
        except CannotStart as error:
            print(str(error), file=sys.stderr, flush=True)
            os._exit(1)  # this is a thread of Chalice's; its main thread would watch files forever
        return servers[-1]

    # The stock parent dies of SIGTERM without its child, which goes on holding the port.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code: int = reloader.run_with_reloader(new_server, os.environ, project)
    for server in servers:
        server.shutdown()
    return code
