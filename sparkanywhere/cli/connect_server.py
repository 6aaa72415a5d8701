"""The Spark Connect server of a namespace, found or started, and the way to its port: what a gateway has behind it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli import reach
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.client.loopback import answers
from sparkanywhere.connect.server import Server
from sparkanywhere.jobs import services
from sparkanywhere.jobs.services import Service, ServiceFailed, find_running, wait_until_up
from sparkanywhere.local.stop_signals import signals_as_interrupt


class ConnectServer:
    """Finds, starts and reaches the server. Not for several threads at once."""

    def __init__(
        self, find_target: Callable[[], Target], start: Callable[[KubeClient, Target], JSON], *, is_direct: bool = False
    ) -> None:
        """`find_target` may raise NoAccess, `start` what submit() does; `is_direct`: pods' addresses answer here."""
        self._find_target = find_target
        self._start = start
        self._is_direct = is_direct
        self._way = ExitStack()

    def up(self) -> tuple[Target, JSON, str]:
        """Return the server's pod once it is up, and the line that said so. Raises Failure."""
        target = self._find_target()
        client = KubeClient(target.access)
        pod = find_running(client, target.namespace, services.CONNECT)
        is_ours = pod is None
        if pod is None:
            pod = self._start(client, target)
        return target, *up(client, target, pod, services.CONNECT, is_ours=is_ours)

    def ensure(self) -> Server:
        """Return where the server answers and its token; a forwarded port is forwarded anew. Raises Failure."""
        target, pod, line = self.up()
        self.close()
        address, port = reach.address_of(pod), services.listening_port(line)
        if services.is_on_loopback(pod):
            if not reach.is_here(target.access):
                raise ServiceFailed(f"{pod['metadata']['name']} listens to its own machine alone.")
            address = services.LOOPBACK
        elif not (self._is_direct or (reach.is_here(target.access) and answers(address, port))):
            forwarding = reach.forward(target, pod, port)
            self._way.enter_context(forwarding)
            address, port = services.LOOPBACK, forwarding.port
        return Server(f"[{address}]:{port}" if ":" in address else f"{address}:{port}", self._token(target, pod))

    def close(self) -> None:
        """Forward no port any more. May be repeated."""
        self._way.close()

    def _token(self, target: Target, pod: JSON) -> str:
        name = services.secret_of(pod)
        path = f"/api/v1/namespaces/{target.namespace}/secrets/{name}"
        return services.token_of(KubeClient(target.access).get(path)) if name else ""


def up(client: KubeClient, target: Target, pod: JSON, service: Service, *, is_ours: bool) -> tuple[JSON, str]:
    """Wait until a service's pod is up; return it and the line that said so. If it fails, ours is deleted."""
    name = pod["metadata"]["name"]
    echo(f"{'Starting' if is_ours else 'Found'} {name} ...", err=True)
    is_up = False
    try:
        with signals_as_interrupt():
            found = wait_until_up(client, pod, service)
        is_up = True
        return found
    finally:
        if is_ours and not is_up:
            with suppress(ApiError, ApiUnreachable):  # the first error is the one to report
                client.delete(f"/api/v1/namespaces/{target.namespace}/pods/{name}")
