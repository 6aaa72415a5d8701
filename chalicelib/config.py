"""Settings: every environment variable with its type, unit and default. Bootstrap reads them and hands them on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, TypeVar, get_args

from chalicelib import system
from chalicelib.providers import registry
from chalicelib.providers.declaration import PayloadSource, ProviderContext, ProviderDeclaration, no_payloads
from chalicelib.storage import stores

PREFIX = "SPARKANYWHERE_"
INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # the name of a folder, and a label

WatchMode = Literal["auto", "streamed", "buffered", "redirected"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
T = TypeVar("T")
# names by which programs in a pod look for the API of the cluster they run in
API_NAMES = ("kubernetes.default.svc.cluster.local", "kubernetes.default.svc", "kubernetes.default", "kubernetes")


class SettingsError(Exception):
    """A setting has a value that will not do; str() names it and says what would."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings but the provider's own; each field is the variable SPARKANYWHERE_<NAME>."""

    provider: str = field(default=registry.DEFAULT, metadata={"doc": "what runs the pods"})
    storage: str = field(default=stores.DEFAULT, metadata={"doc": "where objects are kept"})
    watch: WatchMode = field(
        default="auto",
        metadata={
            "doc": "how watches are answered: streamed, buffered, or redirected (buffered, and kubectl's sent to the"
            " function that streams); auto: buffered only on Lambda"
        },
    )
    instance: str = field(default="default", metadata={"doc": "name of this control plane; labels what it starts"})
    state: str = field(
        default="", metadata={"doc": "folder for the SQLite file, pods and kubeconfig; default under XDG_STATE_HOME"}
    )
    cache: str = field(
        default="", metadata={"doc": "folder for Spark distributions, jars and packages; default under XDG_CACHE_HOME"}
    )
    maven_mirror: str = field(
        default="",
        metadata={
            "doc": "URL of the Maven repository that --with fetches jars from; default that of ~/.m2/settings.xml"
        },
    )
    url: str = field(default="", metadata={"doc": "URL that clients use"})
    pod_url: str = field(default="", metadata={"doc": "URL that pods use; default the same as clients"})
    token: str = field(default="", metadata={"doc": "administrator's bearer token; if empty, loopback asks for none"})
    token_from: str = field(
        default="",
        metadata={"doc": "where that token is kept: ARN of a Secrets Manager secret or Parameter Store parameter"},
    )
    token_file: str = field(
        default="", metadata={"doc": 'file of further tokens, a line each: token,user,uid,"group,..."'}
    )
    iam_users: str = field(
        default="", metadata={"doc": 'IAM identities that are let in: a JSON list of {"arn", "username", "groups"}'}
    )
    driver_rights: bool = field(
        default=True,
        metadata={
            "doc": "whether a Spark driver may manage what it owns by a RoleBinding made with its pod; if not, its"
            " service account needs a role, as on a cluster"
        },
    )
    tls: bool = field(default=False, metadata={"doc": "whether the local server serves HTTPS"})
    any_local_user: bool = field(
        default=False,
        metadata={
            "doc": "whether a local server that asks for no token serves every user of the machine, not only its own"
        },
    )
    ca_file: str = field(default="", metadata={"doc": "certificate authority that pods should trust, a PEM file"})
    region: str = field(default="us-east-1", metadata={"doc": "AWS region of the cluster, the table and the logs"})
    deployment: str = field(default="sparkanywhere", metadata={"doc": "name of the deployment on AWS"})
    bucket: str = field(default="", metadata={"doc": "bucket of staged job files and event logs"})
    job_buckets: str = field(
        default="",
        metadata={
            "doc": "buckets, separated by commas, whose objects any job may read through the control plane's own role"
        },
    )
    file_max_mb: int = field(
        default=1000, metadata={"doc": "largest staged job file in MB (10^6 bytes); with a bucket 5000 at most"}
    )
    file_keep_minutes: int = field(
        default=60, metadata={"doc": "minutes that a staged job file is kept after the last job that needed it"}
    )
    event_keep_hours: int = field(
        default=72, metadata={"doc": "hours that watch events are kept; a watch from an older revision gets 410"}
    )
    pod_keep_hours: int = field(default=24, metadata={"doc": "hours that a finished pod is kept"})
    record_keep_hours: int = field(
        default=24, metadata={"doc": "hours after its end that the record of a deleted pod of a Spark job is kept"}
    )
    namespace_records: int = field(
        default=1000, metadata={"doc": "records of deleted pods that a namespace may hold; the oldest go first"}
    )
    record_log_mib: int = field(
        default=10, metadata={"doc": "MiB that are kept of the log of a container whose pod is gone; the end stays"}
    )
    park_seconds: float = field(
        default=180.0,
        metadata={"doc": "seconds that a task started with its driver waits for its executor; 0: none is"},
    )
    resync_seconds: int = field(default=10, metadata={"doc": "seconds between two resyncs of the local control plane"})
    body_kib: int = field(default=3072, metadata={"doc": "largest request body in KiB; 3072 at most, as in Kubernetes"})
    list_kib: int = field(
        default=0, metadata={"doc": "largest answer to a list in KiB, 0 for no limit; on Lambda 5371 at most"}
    )
    log_level: LogLevel = field(
        default="INFO", metadata={"doc": "what of our own is logged: DEBUG, INFO, WARNING or ERROR; not the audit log"}
    )
    user_requests_per_second: int = field(
        default=5000, metadata={"doc": "requests a second that one user may make before 429"}
    )
    user_watches: int = field(default=2000, metadata={"doc": "watches that one user may hold at once"})
    streams: int = field(
        default=6, metadata={"doc": "streams that are open at once on AWS; further ones end after 25 seconds"}
    )
    user_streams: int = field(default=4, metadata={"doc": "of these, how many one user may have"})
    user_lists: int = field(
        default=16, metadata={"doc": "lists of one user that are made at once; others wait 5 seconds at most, then 429"}
    )
    connections: int = field(default=4000, metadata={"doc": "connections to the local server; further ones wait"})
    client_connections: int = field(
        default=2500, metadata={"doc": "connections to the local server from one address; further ones get 429"}
    )
    transfer_mib: int = field(
        default=512,
        metadata={
            "doc": "MiB of bodies and answers over 64 KiB that the local server holds at once, half of it for one"
            " address; beyond it 429"
        },
    )
    request_seconds: int = field(
        default=60,
        metadata={"doc": "seconds that a client of the local server may take to send a body; a third for headers"},
    )
    namespace_objects: int = field(
        default=20000, metadata={"doc": "objects of one resource that a namespace may hold, not counting Events"}
    )
    node_memory_mib: int = field(
        default=0,
        metadata={"doc": "MiB of memory that the requests of all pods may come to at once; 0: what the provider has"},
    )
    node_cpus: int = field(
        default=0,
        metadata={
            "doc": "processors that the requests of all pods may come to at once; 0: what the provider has, and no"
            " bound where pods share them"
        },
    )
    usd_per_vcpu_hour: float = field(
        default=0.0,
        metadata={
            "doc": "dollars for an hour of a vCPU, for sparkanywhere.io/max-usd; 0: the provider's list price, or free"
        },
    )
    usd_per_gib_hour: float = field(
        default=0.0, metadata={"doc": "dollars for an hour of a GiB of memory, for the same"}
    )
    system_lacks: str = field(
        default="",
        metadata={
            "doc": "for tests: what of Linux's is not to be used, as if this were macOS: `all`, or some of "
            + ", ".join(f"`{feature.value}`" for feature in system.Feature)
            + ", separated by commas"
        },
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the settings that the environment gives. Raises SettingsError."""
        env = os.environ if environ is None else environ
        settings = read_settings(cls, env)
        _check_choice("STORAGE", settings.storage, stores.names())
        _check_choice("WATCH", settings.watch, get_args(WatchMode))
        _check_choice("LOG_LEVEL", settings.log_level, get_args(LogLevel))
        for name in system.lacking(env):
            _check_choice("SYSTEM_LACKS", name, system.NAMES)
        if not INSTANCE.fullmatch(settings.instance):
            why = (
                "a name of up to 63 letters, digits, dots, dashes and underscores, which begins with a letter or digit"
            )
            raise SettingsError(f"{PREFIX}INSTANCE is {settings.instance!r}, but takes {why}")
        _ = settings.declaration  # raises where there is none
        return settings

    @property
    def declaration(self) -> ProviderDeclaration:
        """Return what the provider declares of itself. Raises SettingsError where there is no such provider."""
        try:
            return registry.find(self.provider)
        except registry.UnknownProvider as error:
            raise SettingsError(f"{PREFIX}PROVIDER is {self.provider!r}, but {error}") from error

    def provider_context(
        self,
        declaration: ProviderDeclaration,
        environ: Mapping[str, str] | None = None,
        *,
        payloads: PayloadSource = no_payloads,
    ) -> ProviderContext:
        """Return what a provider is built from. Raises SettingsError for its own settings."""
        env = os.environ if environ is None else environ
        own = declaration.settings
        return ProviderContext(
            instance=self.instance,
            state=self.state_dir(env),
            cache=self.cache_dir(env),
            environ=env,
            settings=read_settings(own, env) if own else None,
            region=self.region,
            deployment=self.deployment,
            payloads=payloads,
            api_names=API_NAMES,
        )

    def state_dir(self, environ: Mapping[str, str] | None = None) -> Path:
        """Return the folder of this instance's state."""
        env = os.environ if environ is None else environ
        root = self.state or str(Path(env.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "sparkanywhere")
        return Path(root) / self.instance

    def cache_dir(self, environ: Mapping[str, str] | None = None) -> Path:
        """Return the folder of downloaded Spark distributions and Java."""
        env = os.environ if environ is None else environ
        cache = env.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(self.cache) if self.cache else Path(cache) / "sparkanywhere"

    def ivy_home(self, environ: Mapping[str, str] | None = None) -> str:
        """Return where drivers resolve --packages: a folder of theirs, or for processes one that all of them share."""
        return str(self.cache_dir(environ) / "ivy") if self.declaration.network == "host" else "/tmp/.ivy2"


def read_settings(kind: type[T], environ: Mapping[str, str]) -> T:
    """Return an instance of a dataclass of settings, each field from its variable. Raises SettingsError."""
    values: dict[str, object] = {}
    for each in fields(kind):  # type: ignore[arg-type]  # a dataclass, which `type` cannot say
        name = PREFIX + each.name.upper()
        if environ.get(name, "") != "":
            values[each.name] = _parse(name, environ[name], each.default)
    return kind(**values)


def _parse(name: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        return _parse_flag(name, text)
    if isinstance(default, float):
        return _parse_amount(name, text)
    if not isinstance(default, int):
        return text
    try:
        number = int(text)
    except ValueError:
        raise SettingsError(f"{name} is {text!r}, but takes a whole number") from None
    least = min(1, default)  # 0 is for those alone that have it as their default, where it says something of its own
    if number < least:
        raise SettingsError(f"{name} is {number}, but takes a number not below {least}")
    return number


def _parse_amount(name: str, text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        raise SettingsError(f"{name} is {text!r}, but takes a number") from None
    if not 0 <= amount < float("inf"):
        raise SettingsError(f"{name} is {text}, but takes a number that is not below 0")
    return amount


def _parse_flag(name: str, text: str) -> bool:
    if text.lower() not in ("1", "true", "0", "false"):
        raise SettingsError(f"{name} is {text!r}, but takes 1 or 0")
    return text.lower() in ("1", "true")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{PREFIX}{name} is {value!r}, but takes one of: {', '.join(choices)}")
