"""Pure: what was asked of `chalice local` -> the environment the control plane is built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from chalicelib.config import Settings
from chalicelib.plane.foundation import is_open
from chalicelib.providers import registry
from sparkanywhere.client.access import DEFAULT_INSTANCE, LAPTOP
from sparkanywhere.client.loopback import is_loopback
from sparkanywhere.client.server_records import ServerRecord
from sparkanywhere.webserver.limits import DEFAULT_LIMITS, MIB, Limits

POD_HOST = "kubernetes.default.svc"  # what every client within a cluster tries first
SPARK_VERSION = "4.3.0"
EXAMPLE = "local:///opt/spark/examples/src/main/python/pi.py"


# Who is served: whoever sends a token, or without any this user alone, or every user of the machine.
Callers = Literal["known", "user", "machine"]


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
    is_temporary: bool = False  # it ends with the command that has started it
    look: str = ""  # it only shows what is stored, and this is the name of its kubeconfig
    settings: Mapping[str, str] = field(default_factory=dict)  # variables that other options stand for


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """The settings after options and environment are merged."""

    host: str
    port: int
    provider: str
    storage: str
    instance: str
    tls: bool
    token: str  # empty: none was given
    state: Path  # this instance's own folder
    url: str  # for clients on this machine
    is_temporary: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)  # further variables that options stand for
    serves: Callers = "known"
    needs_token: bool = False
    limits: Limits = DEFAULT_LIMITS
    kubeconfig: str = "kubeconfig"  # its file's name
    only_looks: bool = False  # the background work is another server's, which may start meanwhile

    @property
    def kubeconfig_file(self) -> Path:
        """Return where the kubeconfig is written."""
        return self.state / self.kubeconfig

    @property
    def token_file(self) -> Path:
        """Return where the token is kept."""
        return self.state / "token"

    @property
    def tls_folder(self) -> Path:
        """Return where certificates and their keys are kept."""
        return self.state / "tls"

    @property
    def ca_file(self) -> Path:
        """Return the certificate of our own authority."""
        return self.tls_folder / "ca.crt"


def is_reached_from_outside(provider: str, host: str) -> bool:
    """Return whether pods of their own network or other machines can reach a server bound to `host`."""
    return registry.find(provider).network in ("bridge", "site") or not is_loopback(host)


def client_url(host: str, port: int, *, tls: bool) -> str:
    """Return the URL by which clients on this machine reach a server bound to `host`."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if tls else 'http'}://{name}:{port}"


def resolve(options: LocalOptions, environ: Mapping[str, str], *, knows_peers: bool = True) -> LocalSettings:
    """Return the settings: an option beats the environment, the environment beats the default.

    A token is needed where the server can be reached from outside this machine, and where it cannot tell its user from
    others (`knows_peers`: the system says whose a connection is). No token crosses a network in the clear, and kubectl
    sends one over https only: there it uses TLS, unless told otherwise. And with TLS there is a token: without
    credentials for https kubectl asks for a user name and a password. Raises SettingsError for a bad value.
    """
    chosen = {
        "SPARKANYWHERE_PROVIDER": options.provider,
        "SPARKANYWHERE_STORAGE": options.storage,
        "SPARKANYWHERE_INSTANCE": options.instance,
        "SPARKANYWHERE_TLS": None if options.tls is None else str(int(options.tls)),
        "SPARKANYWHERE_TOKEN": options.token,
    }
    given = {**environ, **options.settings, **{name: value for name, value in chosen.items() if value is not None}}
    settings = Settings.from_env(given)
    serves: Callers = "known"
    if is_open(settings):
        serves = "machine" if settings.any_local_user else "user"
    exposed = is_reached_from_outside(settings.provider, options.host) or (serves == "user" and not knows_peers)
    tls = settings.tls or (exposed and not given.get("SPARKANYWHERE_TLS"))
    return LocalSettings(
        host=options.host,
        port=options.port,
        provider=settings.provider,
        storage=settings.storage,
        instance=settings.instance,
        tls=tls,
        token=settings.token,
        state=settings.state_dir(given).expanduser().absolute(),
        url=client_url(options.host, options.port, tls=tls),
        is_temporary=options.is_temporary,
        kubeconfig=options.look or "kubeconfig",
        only_looks=bool(options.look),
        settings=options.settings,
        serves="known" if tls or exposed else serves,
        needs_token=tls or exposed,
        limits=web_limits(settings),
    )


def web_limits(settings: Settings) -> Limits:
    """Return the limits of the web server that the settings give."""
    return replace(
        DEFAULT_LIMITS,
        connections=settings.connections,
        client_connections=settings.client_connections,
        transfer_bytes=settings.transfer_mib * MIB,
        body_seconds=settings.request_seconds,
        head_seconds=settings.request_seconds / 3,
    )


def environment(settings: LocalSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set before the app is imported.

    A SPARKANYWHERE_URL, _POD_URL, _CA_FILE or _WATCH of the user's own stays. Where pods have a network of
    their own POD_HOST names us there: the provider makes it mean an address on which we listen too
    (devserver.Plane.listen_addresses).
    """
    own = {
        "SPARKANYWHERE_URL": settings.url,
        "SPARKANYWHERE_WATCH": "streamed",
        "SPARKANYWHERE_CA_FILE": str(settings.ca_file),
    }
    variables = {name: environ.get(name) or value for name, value in own.items()}
    pod_url = variables["SPARKANYWHERE_URL"]
    declaration = registry.find(settings.provider)
    if declaration.site_address is not None:
        context = Settings.from_env({**environ, **settings.settings}).provider_context(declaration, environ)
        pod_url = client_url(declaration.site_address(context), settings.port, tls=settings.tls)
    elif declaration.network == "bridge":
        pod_url = client_url(POD_HOST, settings.port, tls=settings.tls)
    return (
        variables
        | dict(settings.settings)
        | {
            "SPARKANYWHERE_POD_URL": environ.get("SPARKANYWHERE_POD_URL") or pod_url,
            "SPARKANYWHERE_PROVIDER": settings.provider,
            "SPARKANYWHERE_STORAGE": settings.storage,
            "SPARKANYWHERE_STATE": str(settings.state.parent),
            "SPARKANYWHERE_INSTANCE": settings.instance,
            "SPARKANYWHERE_TLS": str(int(settings.tls)),
            "SPARKANYWHERE_TOKEN": settings.token,
        }
    )


def record_of(settings: LocalSettings, *, ca_pem: bytes, started_at: float) -> ServerRecord:
    """Return the record by which our own commands find the server; the time is seconds since 1970."""
    return ServerRecord(
        url=settings.url,
        instance=settings.instance,
        provider=settings.provider,
        started_at=started_at,
        is_temporary=settings.is_temporary,
        only_looks=settings.only_looks,
        token=settings.token,
        ca_pem=ca_pem.decode(),
    )


ACCESS: Mapping[Callers, str] = {
    "user": "No token is asked for: this server serves your programs alone, not those of other users of this machine.",
    "machine": "Open mode: no token is asked for, and every user of this machine may run pods as you.",
    "known": "Callers need a token that SPARKANYWHERE_TOKEN_FILE or SPARKANYWHERE_IAM_USERS lets in.",
}


def announcement(settings: LocalSettings) -> str:
    """Return the lines to print."""
    access = ACCESS[settings.serves]
    conf = [f"spark.kubernetes.container.image=sparkanywhere/spark:{SPARK_VERSION}"]
    conf.append("spark.executor.instances=2")
    if settings.token:
        access = f"A token is asked for; it is in the kubeconfig and in {settings.token_file}."
        if not settings.tls:
            access += " kubectl sends it over https alone: start with --tls for that."
        conf.append(f"spark.kubernetes.authenticate.submission.oauthTokenFile={settings.token_file}")
    if settings.tls:
        conf.append(f"spark.kubernetes.authenticate.submission.caCertFile={settings.ca_file}")
    on = "" if settings.instance == DEFAULT_INSTANCE else f" --on {LAPTOP}/{settings.instance}"
    return "\n".join(
        [
            f"Sparkanywhere answers the Kubernetes API on {settings.url} "
            f"(provider {settings.provider}, storage {settings.storage}, state in {settings.state})",
            access,
            f"In a browser {settings.url}/ shows applications, their logs and what they cost.",
            "",
            "Type next:",
            f"  sparkanywhere run{on} my_job.py",
            f"  sparkanywhere ps{on}",
            "",
            f"  export KUBECONFIG={settings.kubeconfig_file}",
            "  kubectl get pods --watch",
            "",
            f"  spark-submit --master k8s://{settings.url} --deploy-mode cluster --name pi \\",
            *(f"    --conf {entry} \\" for entry in conf),
            f"    {EXAMPLE} 100",
            "",
            "Ctrl-C ends the server; pods that run go on.",
        ]
    )
