"""What `chalice local` runs: the app behind our web server, the control plane's background work beside it."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext
from typing import Any

from chalice import local as chalice_local

from chalicelib.apimachinery.types import JSON
from chalicelib.config import API_NAMES, Settings
from chalicelib.plane.control_plane import control_plane
from chalicelib.private_folder import locked, write_private
from chalicelib.providers import registry
from sparkanywhere.client.printable import harmless
from sparkanywhere.client.server_records import HeldRecord
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates, server_context
from sparkanywhere.local.gateway import Gateway, refuse, status_answer
from sparkanywhere.local.instance_lock import InstanceLock
from sparkanywhere.local.kubeconfig import kubeconfig, write_kubeconfig
from sparkanywhere.local.local_settings import (
    LocalOptions,
    LocalSettings,
    announcement,
    environment,
    record_of,
    resolve,
)
from sparkanywhere.local.open_files import raise_open_files
from sparkanywhere.local.plane import Plane
from sparkanywhere.local.start import CannotStart, bind, starting
from sparkanywhere.local.stop_signals import StopSignals
from sparkanywhere.webserver.messages import Answer, Application, RequestHead
from sparkanywhere.webserver.peers import knows_peers, peer_uid
from sparkanywhere.webserver.server import WebServer

# Two seconds from signal to exit, in all: most for requests under way, the rest to end threads.
STOP_SERVING_SECONDS = 1.2
STOP_PLANE_SECONDS = 0.5
OPEN_FILES = 65536  # a connection is one, and stores and pods need some; systems often start at 1,024, macOS at 256
EVERYWHERE = ("0.0.0.0", "::")
SERVER_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "host.docker.internal", *API_NAMES})

ChaliceApp = Any  # chalice ships no types
ChaliceConfig = Any


class DevServer:
    """Serves one app until told to stop. serve_forever() and shutdown() are what Chalice calls."""

    def __init__(
        self,
        app: ChaliceApp,
        config: ChaliceConfig,
        *,
        settings: LocalSettings,
        listener: socket.socket,
        new_plane: Callable[[], Plane],
        say: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self._listener = listener
        self._new_plane = new_plane
        self._say = say
        self._stop = StopSignals()
        self._ended = threading.Event()
        self._ended.set()
        self._record: HeldRecord | None = None
        self._lock = InstanceLock(settings.state / "lock", provider=settings.provider)
        self._certificates = CertificateFiles(settings.tls_folder)
        self._tls: SSLContext | None = None
        self._plane: Plane | None = None
        self._web = WebServer(
            Application(
                handler=Gateway(chalice_local.LocalGateway(app, config), kubeconfig=self._kubeconfig),
                refuse=refuse,
                stranger=self._stranger,
                forbidden=self._forbidden,
                own_names=frozenset({settings.host.lower(), socket.gethostname().lower()}),
            ),
            limits=settings.limits,
            tls=lambda: self._tls,
            plain_too=not settings.tls,  # pods ask for HTTPS by KUBERNETES_SERVICE_HOST, whatever the server's URL is
            proxies=lambda: self._plane.proxy_addresses if self._plane is not None else (),
            peer=peer_uid,
            closed_to=closed_to if settings.serves == "user" else lambda _: "",
        )

    def serve_forever(self) -> None:
        """Serve until SIGTERM, Ctrl-C or shutdown(); a second signal ends the process at once.

        Raises CannotStart if the provider or the store is not available.
        """
        raise_open_files(OPEN_FILES)
        self._ended.clear()
        try:
            with self._stop.installed():
                plane = self._build_plane()
                try:
                    with starting():
                        self._begin(plane)
                    self._stop.wait()
                finally:
                    self._stop.run(lambda: self._end(plane))
        finally:
            self._web.stop()
            self._stop.close()
            self._ended.set()

    def shutdown(self) -> None:
        """Make serve_forever return, from another thread, and wait until it has."""
        self._stop.set()
        self._ended.wait(timeout=STOP_SERVING_SECONDS + 2 * STOP_PLANE_SECONDS)

    def _build_plane(self) -> Plane:
        has_authority = self._certificates.ca.exists()
        try:
            with starting():
                self._ensure_tls(())  # the authority's certificate is among the files that pods are given
                return self._new_plane()
        except CannotStart:
            self._listener.close()
            if not has_authority:
                self._certificates.discard(self.settings.state.parent)
            raise

    def _stranger(self, head: RequestHead, client: tuple[str, int]) -> Answer | None:
        if self._plane is None:
            return None
        error = self._plane.stranger(head.method, head.path, head.headers, address=client[0])
        return status_answer(error) if error else None

    def _forbidden(self, head: RequestHead, client: tuple[str, int], why: str) -> None:
        if self._plane is not None:
            self._plane.forbidden(head.method, head.path, head.headers, address=client[0], why=why)

    def _begin(self, plane: Plane) -> None:
        self._plane = plane
        settings, addresses = self.settings, plane.listen_addresses
        is_everywhere = settings.host in EVERYWHERE  # which has those addresses too
        further = [bind(address, settings.port) for address in addresses if not is_everywhere]
        self._ensure_tls((*addresses, *plane.api_addresses))
        for listener in (self._listener, *further):
            self._web.add_listener(listener)
        if not settings.only_looks:
            if self._lock.take():
                plane.start()
            else:
                settings = self._join(plane)
        self._web.start()
        self._record = HeldRecord(settings.state, record_of(settings, ca_pem=self._ca_pem(), started_at=time.time()))
        self._write_kubeconfig(settings.kubeconfig_file)
        self._say(announcement(settings))

    def _join(self, plane: Plane) -> LocalSettings:
        """Serve beside the server that does the background work, and do that once it has ended; return the settings.

        The folder's kubeconfig is that server's meanwhile; this one has its own. Raises CannotStart.
        """
        other = self._lock.provider()
        if other not in ("", self.settings.provider):
            # each server launches what it is sent, but one alone hears what becomes of tasks
            raise CannotStart(
                f"A server with provider {other} (process {self._lock.holder()}) has this state folder: take the same"
                " provider, or --instance for a state of its own."
            )
        self._say(
            f"Another server (process {self._lock.holder()}) uses this state folder and does the "
            "background work. The store is shared; when that server ends, this one takes over."
        )

        def take_over() -> None:
            plane.start()
            self._write_kubeconfig(self.settings.kubeconfig_file)

        self._lock.take_later(take_over)
        return replace(self.settings, kubeconfig=f"kubeconfig-{self.settings.port}")

    def _ca_pem(self) -> bytes:
        return self._certificates.ca.read_bytes() if self.settings.tls else b""

    def _write_kubeconfig(self, path: Path) -> None:
        write_kubeconfig(path, self._kubeconfig(self.settings.token, "default"))

    def _kubeconfig(self, token: str, namespace: str) -> JSON:
        return kubeconfig(self.settings.url, token=token, ca_pem=self._ca_pem(), namespace=namespace)

    def _ensure_tls(self, addresses: Sequence[str]) -> None:
        names = SERVER_NAMES | {self.settings.host, *addresses} - {"0.0.0.0", "::"}
        ensure_certificates(self._certificates, names, datetime.now(UTC))
        self._tls = server_context(self._certificates)

    def _end(self, plane: Plane) -> None:
        if self._record is not None:
            self._record.withdraw()
        self._web.stop(seconds=STOP_SERVING_SECONDS)
        closer = threading.Thread(target=plane.close, name="close-plane", daemon=True)
        closer.start()
        closer.join(timeout=STOP_PLANE_SECONDS)
        self._lock.release()
        with contextlib.suppress(OSError):
            (self.settings.state / f"kubeconfig-{self.settings.port}").unlink(missing_ok=True)
            if self.settings.only_looks:
                self.settings.kubeconfig_file.unlink(missing_ok=True)


def open_server(
    options: LocalOptions,
    environ: MutableMapping[str, str],
    load_app: Callable[[], tuple[ChaliceApp, ChaliceConfig]],
    *,
    say: Callable[[str], None] = lambda text: print(text, flush=True),
) -> DevServer:
    """Bind the port, set the environment, import the app; return the server that serves it.

    The port comes first, then what the provider needs: without either nothing has been created. Raises CannotStart.
    """
    listener = bind(options.host, options.port)
    try:
        with starting():
            settings = resolve(replace(options, port=listener.getsockname()[1]), environ, knows_peers=knows_peers())
            declaration = registry.find(settings.provider)
            if declaration.check is not None:
                declaration.check(Settings.from_env(environ).provider_context(declaration, environ))
            settings = with_token(settings)
    except CannotStart:
        listener.close()
        raise
    variables = environment(settings, environ)
    environ.update(variables)
    app, config = load_app()
    environ.update(variables)  # Chalice has put the variables of its stage, which are Lambda's, over ours
    return DevServer(localise(app), config, settings=settings, listener=listener, new_plane=control_plane, say=say)


def closed_to(uid: int | None) -> str:
    """Return why a connection of that user is refused, "" if it is ours or root's; None is of nobody we know."""
    if uid in (0, os.getuid()):
        return ""
    who = "a connection that nobody holds any more" if uid is None else f"user {uid} of this machine"
    return (
        f"this server asks for no token, so it serves user {os.getuid()} alone, who has started it, and not {who};"
        " with --token and --tls it serves others, too"
    )


def with_token(settings: LocalSettings) -> LocalSettings:
    """Return the settings with a token where one is needed: the given one, the kept one, or a new one."""
    path = settings.token_file
    token = settings.token
    if not (token or settings.needs_token):
        return settings
    with locked(path.parent):  # of servers that start at the same time one makes it, the others read it
        if not token:
            with contextlib.suppress(OSError):
                token = path.read_text().strip()
        token = token or secrets.token_urlsafe(32)
        write_private(path, token.encode())
    return replace(settings, token=token)


def localise(app: ChaliceApp) -> ChaliceApp:
    """Make the app's current_request a thread's own, as `chalice local` itself does; return the app."""
    chalice_local.CustomLocalChalice.__bases__ = (chalice_local.LocalChalice, app.__class__)
    app.__class__ = chalice_local.CustomLocalChalice
    return app


class HarmlessFormatter(logging.Formatter):
    """Formats lines that may quote what clients have sent, for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback if there is one."""
        return harmless(super().format(record))


def run(server: Callable[[], DevServer]) -> int:
    """Build the server and serve; return the process's exit code. Failures are one sentence on stderr."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(HarmlessFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in ("botocore", "pynamodb"):  # where they found credentials and settings is no news
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        server().serve_forever()
    except CannotStart as error:
        print(str(error), file=sys.stderr, flush=True)
        return 1
    return 0
