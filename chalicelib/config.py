"""Settings: every environment variable with its type, unit and default. Bootstrap reads them and hands them on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

PREFIX = "SPARKANYWHERE_"

ProviderName = Literal["process", "docker", "fargate", "none"]
StorageName = Literal["sqlite", "dynamodb"]
WatchMode = Literal["auto", "streamed", "buffered"]


class SettingsError(Exception):
    """A setting has a value that will not do; str() names it and says what would."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each field is the variable SPARKANYWHERE_<NAME>."""

    provider: ProviderName = field(
        default="process", metadata={"doc": "what runs the pods: process, docker, fargate or none"}
    )
    storage: StorageName = field(
        default="sqlite", metadata={"doc": "where objects are kept: sqlite or dynamodb"}
    )
    watch: WatchMode = field(
        default="auto",
        metadata={"doc": "how watches leave: streamed or buffered; auto: buffered on Lambda alone"},
    )
    instance: str = field(
        default="default", metadata={"doc": "name of this control plane; labels what it starts"}
    )
    state: str = field(
        default="",
        metadata={"doc": "folder for the SQLite file, pods and kubeconfig; default under XDG_STATE_HOME"},
    )
    cache: str = field(
        default="", metadata={"doc": "folder for Spark distributions; default under XDG_CACHE_HOME"}
    )
    url: str = field(default="", metadata={"doc": "URL that clients use"})
    pod_url: str = field(default="", metadata={"doc": "URL that pods use; default the same as clients"})
    token: str = field(
        default="", metadata={"doc": "administrator's bearer token; empty means open, for loopback only"}
    )
    token_from: str = field(
        default="",
        metadata={
            "doc": "where that token is kept: ARN of a Secrets Manager secret or Parameter Store parameter"
        },
    )
    token_file: str = field(
        default="", metadata={"doc": 'file of further tokens, a line each: token,user,uid,"group,..."'}
    )
    iam_users: str = field(
        default="",
        metadata={"doc": 'IAM identities that may enter: a JSON list of {"arn", "username", "groups"}'},
    )
    tls: bool = field(default=False, metadata={"doc": "whether the local server speaks https"})
    ca_file: str = field(
        default="", metadata={"doc": "certificate authority that pods shall trust, a PEM file"}
    )
    table: str = field(default="sparkanywhere", metadata={"doc": "DynamoDB table"})
    region: str = field(
        default="us-east-1", metadata={"doc": "AWS region of the cluster, the table and the logs"}
    )
    deployment: str = field(default="sparkanywhere", metadata={"doc": "name of the deployment on AWS"})
    cluster: str = field(default="", metadata={"doc": "ECS cluster that tasks run in"})
    cluster_arn: str = field(default="", metadata={"doc": "its ARN, which task events are filtered by"})
    subnets: str = field(
        default="",
        metadata={"doc": "subnets of the tasks: zone=subnet pairs or subnets, separated by commas"},
    )
    security_group: str = field(default="", metadata={"doc": "security group of the tasks"})
    assign_public_ip: bool = field(default=False, metadata={"doc": "whether tasks get a public address"})
    execute_command: bool = field(
        default=False, metadata={"doc": "whether tasks take `aws ecs execute-command` and port forwarding"}
    )
    execution_role: str = field(
        default="", metadata={"doc": "ARN of the role that pulls images, writes logs"}
    )
    task_role: str = field(default="", metadata={"doc": "ARN of the role that Spark itself has"})
    log_group: str = field(default="", metadata={"doc": "CloudWatch log group of the tasks"})
    bucket: str = field(default="", metadata={"doc": "bucket of staged job files and event logs"})
    job_buckets: str = field(
        default="",
        metadata={
            "doc": "buckets, separated by commas, whose objects any job may bring by the control plane's own role"
        },
    )
    file_max_mb: int = field(
        default=1000,
        metadata={"doc": "MB (10^6 bytes) that one staged job file may have; a bucket takes 5000 at most"},
    )
    file_keep_minutes: int = field(
        default=60,
        metadata={"doc": "minutes that a staged job file is kept after the last job that needed it"},
    )
    event_keep_hours: int = field(
        default=72, metadata={"doc": "hours that watch events are kept; a watch from longer ago gets 410"}
    )
    pod_keep_hours: int = field(default=24, metadata={"doc": "hours that a finished pod is kept"})
    resync_seconds: int = field(
        default=10, metadata={"doc": "seconds between two resyncs of the local control plane"}
    )
    body_kib: int = field(
        default=3072, metadata={"doc": "KiB that the body of a request may have; 3072 at most, as Kubernetes"}
    )
    list_kib: int = field(
        default=0,
        metadata={"doc": "KiB that the answer to a list may have, 0 for no limit; on Lambda 5371 at most"},
    )
    user_requests_per_second: int = field(
        default=5000, metadata={"doc": "requests a second that one user may make before 429"}
    )
    user_watches: int = field(default=2000, metadata={"doc": "watches that one user may hold at once"})
    namespace_objects: int = field(
        default=20000,
        metadata={"doc": "objects of one resource that a namespace may hold, Events apart"},
    )
    usd_per_vcpu_hour: float = field(
        default=0.0,
        metadata={
            "doc": "dollars for an hour of a vCPU, for sparkanywhere.io/max-usd; 0: Fargate's list price, else free"
        },
    )
    usd_per_gib_hour: float = field(
        default=0.0, metadata={"doc": "dollars for an hour of a GiB of memory, likewise"}
    )
    host_paths: str = field(
        default="", metadata={"doc": "folders that hostPath volumes may name, separated by colons"}
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the settings that the environment gives. Raises SettingsError."""
        env = os.environ if environ is None else environ
        values: dict[str, object] = {}
        for each in fields(cls):
            name = PREFIX + each.name.upper()
            if env.get(name, "") != "":
                values[each.name] = _parse(name, env[name], each.default)
        settings = cls(**values)  # type: ignore[arg-type]  # _parse gives each field its default's type
        _check_choice("PROVIDER", settings.provider, get_args(ProviderName))
        _check_choice("STORAGE", settings.storage, get_args(StorageName))
        _check_choice("WATCH", settings.watch, get_args(WatchMode))
        return settings

    def state_dir(self, environ: Mapping[str, str] | None = None) -> Path:
        """Return the folder of this instance's state."""
        env = os.environ if environ is None else environ
        root = self.state or str(
            Path(env.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "sparkanywhere"
        )
        return Path(root) / self.instance

    def cache_dir(self, environ: Mapping[str, str] | None = None) -> Path:
        """Return the folder of downloaded Spark distributions and Java."""
        env = os.environ if environ is None else environ
        cache = env.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(self.cache) if self.cache else Path(cache) / "sparkanywhere"

    def docker_host(self, environ: Mapping[str, str] | None = None) -> str:
        """Return where the Docker engine is, as its own clients are told; empty for the default socket."""
        env = os.environ if environ is None else environ
        return env.get("DOCKER_HOST", "")

    def docker_tls_directory(self, environ: Mapping[str, str] | None = None) -> str:
        """Return the folder of the certificates for the Docker engine; empty where it asks for none."""
        env = os.environ if environ is None else environ
        if not env.get("DOCKER_TLS_VERIFY"):
            return ""
        return env.get("DOCKER_CERT_PATH") or str(Path.home() / ".docker")


def runs_on_lambda(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether this process is an AWS Lambda function, which always has that variable."""
    env = os.environ if environ is None else environ
    return "AWS_LAMBDA_FUNCTION_NAME" in env


def event_cluster_arn(environ: Mapping[str, str] | None = None) -> str:
    """Return the setting cluster_arn alone: it is needed at import, where a wrong setting could tell nobody."""
    env = os.environ if environ is None else environ
    return env.get(f"{PREFIX}CLUSTER_ARN", "")


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
    if number < 1:
        raise SettingsError(f"{name} is {number}, but takes a number above 0")
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
