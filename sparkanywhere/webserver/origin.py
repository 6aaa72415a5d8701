"""Pure: may a page in a browser have sent this request?

A server on loopback that starts programs for whoever asks is a way in for any web page: by a plain
cross-site POST, or by DNS rebinding (the page's own name suddenly means 127.0.0.1). So a request whose
`Host` is a name we don't go by, or whose `Origin` is not that Host, is refused. Kubernetes' clients pass:
they send no Origin, or (fabric8's WebSocket) the server's own address. `kubectl proxy` guards itself
with the same kind of list (--accept-hosts).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

# By these names a pod or this machine may reach us. A name of the public DNS is never among them.
OWN_NAMES = frozenset({"localhost", "host.docker.internal", "host.containers.internal", "kubernetes"})
OWN_SUFFIXES = (".localhost", ".svc", ".svc.cluster.local", ".default")


def refusal(headers: Mapping[str, str], own_names: frozenset[str] = frozenset()) -> str | None:
    """Return why the request is refused, or None. `own_names` are further names of ours, in lower case."""
    host = headers.get("host")
    if host is None:
        return None  # HTTP/1.0; no browser
    name = _host_name(host)
    if name is None or not (_is_address(name) or _is_own(name, own_names)):
        return f"the Host header names {host[:100]!r}, which is not a name of this server"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "requests from web pages are not served"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "requests from web pages are not served"
    return None


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_own(name: str, own_names: frozenset[str]) -> bool:
    return name in OWN_NAMES or name in own_names or name.endswith(OWN_SUFFIXES)
