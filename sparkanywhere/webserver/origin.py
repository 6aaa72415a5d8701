"""Pure: may a page in a browser have sent this request?

A server on loopback that starts programs on request is open to any web page: by a plain
cross-site POST, or by DNS rebinding (the page's own name suddenly means 127.0.0.1). So a request whose
`Host` is not one of our names, or whose `Origin` is not that Host, is refused. Kubernetes' clients pass:
they send no Origin, or (fabric8's WebSocket) the server's own address. `kubectl proxy` guards itself
with the same kind of list (--accept-hosts).
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

# By these names a pod or this machine may reach us. A name of the public DNS is never among them.
OWN_NAMES = frozenset({"localhost", "host.docker.internal", "host.containers.internal", "kubernetes"})
# What we serve of others there has an origin of its own for each; see local/pod_pages.py.
GUEST = re.compile(r"pod-[0-9a-f]{20}\.localhost(?::\d+)?", re.IGNORECASE)
OWN_SUFFIXES = (".localhost", ".svc", ".svc.cluster.local", ".default")


def refusal(headers: Mapping[str, str], own_names: frozenset[str] = frozenset()) -> str | None:
    """Return why the request is refused, or None. `own_names` are further names of ours, in lower case."""
    host = headers.get("host")
    if host is None:
        return None  # HTTP/1.0; no browser
    if not _is_ours(host, own_names):
        return f"the Host header names {host[:100]!r}, which is not a name of this server"
    origin = headers.get("origin")
    if GUEST.fullmatch(host) and origin is None and _opens_window(headers):
        return None  # a link of ours led there; what else may come is the guest's own question
    is_elsewhere = origin is not None and not _names(origin, host)
    if is_elsewhere or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "requests from web pages are not served"
    return None


def _opens_window(headers: Mapping[str, str]) -> bool:
    """Return whether a browser asks for what it shows in a window, and not in a frame or for a script."""
    return (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")


def _names(origin: str, host: str) -> bool:
    """Return whether an Origin names the host of a Host header; a scheme's usual port may be left out of either."""
    parts = urlsplit(origin)
    usual = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.netloc.lower().removesuffix(usual) == host.lower().removesuffix(usual)


def _is_ours(host: str, own_names: frozenset[str]) -> bool:
    """Return whether a Host header holds an IP address or a name of ours."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return name in OWN_NAMES or name in own_names or name.endswith(OWN_SUFFIXES)
