"""Pure: what was asked of `chalice local` -> the environment the control plane is built from."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_INSTANCE = "default"
DEFAULT_PROVIDER = "process"
DEFAULT_STORAGE = "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """The options of `chalice local` that are ours; None where the environment decides."""

    host: str = "127.0.0.1"
    port: int = 8000
    provider: str | None = None
    storage: str | None = None
    instance: str | None = None
    tls: bool | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """What the options and the environment come to."""

    host: str
    port: int
    provider: str
    storage: str
    instance: str
    tls: bool
    token: str  # empty: none was given
    state: Path  # this instance's own folder
    url: str  # for clients on this machine

    @property
    def is_open(self) -> bool:
        """Return whether everyone who reaches us is let in: only without a token, and on loopback alone."""
        return not self.token and not self.needs_token

    @property
    def needs_token(self) -> bool:
        """Return whether others than this machine's programs can reach us: containers, or the network."""
        return self.provider == "docker" or not is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether `host` is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def state_base(environ: Mapping[str, str]) -> Path:
    """Return the folder of all instances' state: never in the project's folder, which a reloader watches."""
    if given := environ.get("SPARKANYWHERE_STATE"):
        return Path(given).expanduser().absolute()
    home = environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser().absolute() / "sparkanywhere"


def client_url(host: str, port: int, *, tls: bool) -> str:
    """Return the URL by which clients on this machine reach a server bound to `host`."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if tls else 'http'}://{name}:{port}"


def resolve(options: LocalOptions, environ: Mapping[str, str]) -> LocalSettings:
    """Return the settings: an option beats the environment, the environment beats the default."""
    instance = options.instance or environ.get("SPARKANYWHERE_INSTANCE") or DEFAULT_INSTANCE
    tls = options.tls if options.tls is not None else environ.get("SPARKANYWHERE_TLS", "") in ("1", "true")
    return LocalSettings(
        host=options.host,
        port=options.port,
        provider=options.provider or environ.get("SPARKANYWHERE_PROVIDER") or DEFAULT_PROVIDER,
        storage=options.storage or environ.get("SPARKANYWHERE_STORAGE") or DEFAULT_STORAGE,
        instance=instance,
        tls=tls,
        token=options.token or environ.get("SPARKANYWHERE_TOKEN") or "",
        state=state_base(environ) / instance,
        url=client_url(options.host, options.port, tls=tls),
    )


def environment(settings: LocalSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set before the app is imported.

    A SPARKANYWHERE_URL, _POD_URL or _WATCH of the user's own stays. SPARKANYWHERE_POD_URL is left
    to the control plane where pods have a network of their own (docker), whose gateway it knows.
    """
    variables = {
        "SPARKANYWHERE_PROVIDER": settings.provider,
        "SPARKANYWHERE_STORAGE": settings.storage,
        "SPARKANYWHERE_INSTANCE": settings.instance,
        "SPARKANYWHERE_TLS": "1" if settings.tls else "0",
        "SPARKANYWHERE_TOKEN": settings.token,
        "SPARKANYWHERE_URL": environ.get("SPARKANYWHERE_URL") or settings.url,
        "SPARKANYWHERE_WATCH": environ.get("SPARKANYWHERE_WATCH") or "streamed",
    }
    if settings.provider != "docker":
        variables["SPARKANYWHERE_POD_URL"] = (
            environ.get("SPARKANYWHERE_POD_URL") or variables["SPARKANYWHERE_URL"]
        )
    return variables
