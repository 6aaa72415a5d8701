"""How a port of a pod is reached from here: by its own address, through the control plane, or by a tunnel into AWS."""

from __future__ import annotations

import ipaddress
import os
import select
import socket
import sys
import time
import webbrowser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from chalicelib.apimachinery.accessors import spec_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers import registry
from chalicelib.providers.declaration import ProviderDeclaration
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import Access, ApiError, KubeClient
from sparkanywhere.client.loopback import is_loopback
from sparkanywhere.jobs.services import GONE, is_alive
from sparkanywhere.local.stop_signals import signals_as_interrupt

if TYPE_CHECKING:
    from sparkanywhere.client.port_forward import PortForward

PROBE_SECONDS = 1.0  # an address of this machine answers at once, another one never
LOOK_SECONDS = 5.0  # between two looks whether a pod that is forwarded to still runs


def is_here(access: Access) -> bool:
    """Return whether a control plane is on this machine, so that its pods' addresses mean the same to us."""
    return is_loopback(urlsplit(access.url).hostname or "")


def answers(address: str, port: int) -> bool:
    """Return whether something listens there."""
    try:
        socket.create_connection((address, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def address_of(pod: JSON) -> str:
    """Return a pod's own address, "" while it has none."""
    found = str(status_of(pod).get("podIP") or "")
    try:
        ipaddress.ip_address(found)  # it becomes part of a URL, and others may have written it
    except ValueError:
        return ""
    return found


def port_access(pod: JSON, port: int) -> str:
    """Return how to get to a port of a pod that no control plane of ours forwards to, "" where one does."""
    provider = _provider_of(pod)
    text = provider.port_access if provider else ""
    return text.format(pod=pod["metadata"]["name"], address=address_of(pod), port=port)


def _provider_of(pod: JSON) -> ProviderDeclaration | None:
    return registry.of_node(str(spec_of(pod).get("nodeName", "")))


def forward(target: Target, pod: JSON, port: int, *, local_port: int = 0) -> PortForward:
    """Return what forwards a port of this machine to the pod's, within its `with`. Raises OSError."""
    from sparkanywhere.client.port_forward import PodPort, PortForward  # a WebSocket that most commands do not need

    name = pod["metadata"]["name"]
    wanted = PodPort(target.access, target.namespace, name, port)
    return PortForward(wanted, tell=lambda words: echo(words, err=True), local_port=local_port)


def show(target: Target, pod: JSON, port: int, *, opens: bool, forwards: bool, path: str = "") -> None:
    """Print the URL of a pod's web page, and open it if asked to; where it is forwarded, until Ctrl-C."""
    if access := port_access(pod, port):
        echo(access, err=True)
        echo(f"http://localhost:{port}{path}")
        return
    address = address_of(pod)
    is_near = is_here(target.access)
    if is_near and address and not forwards and answers(address, port):
        _tell(f"http://{address}:{port}{path}", opens=opens)
        return
    provider = _provider_of(pod)
    if is_near and not forwards and provider and provider.network == "host":  # which cannot be forwarded to
        raise click.ClickException(f"Nothing answers at http://{address}:{port} (yet).")
    with forward(target, pod, port) as forwarding:
        _tell(f"http://localhost:{forwarding.port}{path}", opens=opens)
        stay(target, pod)


def page_link(target: Target, pod: JSON, port: int) -> str:
    """Return how a pod's web page can be opened now: its URL, or the command that makes one."""
    address = address_of(pod)
    if is_here(target.access) and address and answers(address, port):
        return f"http://{address}:{port}"
    return f"sparkanywhere ui {pod['metadata']['name']}"


def stay(target: Target, pod: JSON) -> None:
    """Wait while a port is forwarded, for Ctrl-C or the pod's end. Raises ApiError, ApiUnreachable."""
    name = pod["metadata"]["name"]
    try:
        with signals_as_interrupt():
            echo(f"Forwarded to {name} until Ctrl-C, which does not end it.", err=True)
            client = KubeClient(target.access)
            while is_alive(client.get(f"/api/v1/namespaces/{target.namespace}/pods/{name}")):
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        echo("", err=True)
        return
    except ApiError as error:
        if error.code != GONE:
            raise
    echo(f"{name} has ended.", err=True)


def stay_until_eof(target: Target, pod: JSON) -> None:
    """Wait until standard input or the pod ends. Raises ApiError, ApiUnreachable; KeyboardInterrupt on signals."""
    client, path = KubeClient(target.access), f"/api/v1/namespaces/{target.namespace}/pods/{pod['metadata']['name']}"
    with signals_as_interrupt():
        while True:
            if select.select([sys.stdin], [], [], LOOK_SECONDS)[0] and not os.read(sys.stdin.fileno(), 1):
                return
            if not is_alive(client.get(path)):
                return


def _tell(url: str, *, opens: bool) -> None:
    echo(url)
    if opens:
        webbrowser.open(url)
