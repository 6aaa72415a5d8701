"""The web server with a small Chalice app behind it, for tests."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chalice.config import Config
from chalice.local import LocalGateway

from sparkanywhere.local.devserver import localise
from sparkanywhere.local.gateway import Gateway, refuse
from sparkanywhere.webserver.limits import DEFAULT_LIMITS, Limits
from sparkanywhere.webserver.messages import Answer, Application, RequestHead, admit_all, tell_nobody
from sparkanywhere.webserver.server import WebServer, listen
from tests.functional.stub_app import Streams, stub_app


def small_gateway(streams: Streams | None = None) -> LocalGateway:
    """Return Chalice's gateway to the small app."""
    return LocalGateway(localise(stub_app(streams or Streams())), Config.create(lambda_timeout=900))


@dataclass(frozen=True)
class Site:
    """A running server and what its streams did."""

    web: WebServer
    port: int
    streams: Streams


@contextlib.contextmanager
def running(
    limits: Limits = DEFAULT_LIMITS,
    tls: Callable[[], None] = lambda: None,
    stranger: Callable[[RequestHead, tuple[str, int]], Answer | None] = admit_all,
    peer: Callable[[socket.socket], int | None] = lambda _: None,
    closed_to: Callable[[int | None], str] = lambda _: "",
    forbidden: Callable[[RequestHead, tuple[str, int], str], None] = tell_nobody,
) -> Iterator[Site]:
    """Yield a running server with these limits; `tls` is called where a handshake would be."""
    streams = Streams()
    web = WebServer(
        Application(
            handler=Gateway(small_gateway(streams), kubeconfig=lambda *_: {}),
            refuse=refuse,
            stranger=stranger,
            forbidden=forbidden,
        ),
        limits=limits,
        tls=tls,
        peer=peer,
        closed_to=closed_to,
    )
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    web.add_listener(listener)
    web.start()
    try:
        yield Site(web, port, streams)
    finally:
        web.stop()
