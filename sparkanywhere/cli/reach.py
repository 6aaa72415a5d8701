"""How a port of a pod is reached: by its own address, through the control plane, or by a tunnel of its provider."""

from __future__ import annotations

import ipaddress
import time
import webbrowser
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from chalicelib.apimachinery.accessors import annotations_of, spec_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers import registry
from chalicelib.providers.declaration import ProviderDeclaration, TaskPort
from chalicelib.resources.pods.marks import TASK_ANNOTATION
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import Access, ApiError, KubeClient
from sparkanywhere.client.loopback import answers, is_loopback
from sparkanywhere.client.tunnel import Tunnel, TunnelFailed
from sparkanywhere.jobs.services import GONE, is_alive
from sparkanywhere.local.stop_signals import signals_as_interrupt

if TYPE_CHECKING:
    from sparkanywhere.client.port_forward import PortForward

LOOK_SECONDS = 5.0  # between two looks whether a pod that is forwarded to still runs


def is_here(access: Access) -> bool:
    """Return whether a control plane is on this machine, so that its pods' addresses mean the same to us."""
    return is_loopback(urlsplit(access.url).hostname or "")


def address_of(pod: JSON) -> str:
    """Return a pod's own address, "" while it has none."""
    found = str(status_of(pod).get("podIP") or "")
    try:
        ipaddress.ip_address(found)  # it becomes part of a URL, and others may have written it
    except ValueError:
        return ""
    return found


def _provider_of(pod: JSON) -> ProviderDeclaration | None:
    return registry.of_node(str(spec_of(pod).get("nodeName", "")))


def forward(target: Target, pod: JSON, port: int, *, local_port: int = 0) -> PortForward | Tunnel:
    """Return what forwards a port of this machine to the pod's, within its `with`. Raises OSError, TunnelFailed."""
    from sparkanywhere.client.port_forward import PodPort, PortForward  # a WebSocket that most commands do not need

    provider, name = _provider_of(pod), pod["metadata"]["name"]
    if provider and provider.tunnel:
        statuses = status_of(pod).get("containerStatuses") or ()
        running = next((str(each["containerID"]) for each in statuses if each.get("containerID")), "")
        task = str(annotations_of(pod).get(TASK_ANNOTATION, ""))
        try:
            provider.tunnel(end := TaskPort(task, running, address_of(pod), port), local_port)
        except ValueError as error:  # others may write annotations, and a pod has none before its task
            raise TunnelFailed(f"pod {name} does not say which task runs it: no tunnel leads there.") from error
        return Tunnel(partial(provider.tunnel, end), local_port=local_port)
    wanted = PodPort(target.access, target.namespace, name, port)
    return PortForward(wanted, tell=lambda words: echo(words, err=True), local_port=local_port)


def show(target: Target, pod: JSON, port: int, *, opens: bool, forwards: bool, path: str = "") -> None:
    """Print the URL of a pod's web page, and open it if asked to; where it is forwarded, until Ctrl-C."""
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


def _tell(url: str, *, opens: bool) -> None:
    echo(url)
    if opens:
        webbrowser.open(url)
