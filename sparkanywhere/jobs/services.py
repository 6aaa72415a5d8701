"""Servers as pods: a Spark history server, and Spark Connect, whose program (connect_program.py) ends when it is idle.

They are found by a label and waited for by what they log. Reference: Spark 4.3, "Monitoring and Instrumentation",
spark.history.*; "Spark Connect Overview", spark.connect.grpc.binding.*, SPARK_CONNECT_AUTHENTICATE_TOKEN.
"""

from __future__ import annotations

import base64
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from chalicelib.apimachinery.accessors import TERMINAL_PHASES, is_terminal, phase_of, status_of
from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.jobs import event_log
from sparkanywhere.jobs.jar_sets import sets_of_place
from sparkanywhere.jobs.memory_size import pod_mib
from sparkanywhere.jobs.programs import connect_program
from sparkanywhere.jobs.spark_properties import CONNECT_PORT
from sparkanywhere.jobs.spec import JobSpec, SpecError

SERVICE = "sparkanywhere.io/service"
START_SECONDS = 300.0  # an image may have to be pulled, a machine may be busy
LOOK_SECONDS = 0.5
LAST_LINES = 15
GONE = 404
CONNECT_NAME = "spark-connect"
PLUGIN = "org.apache.spark.sql.connect.SparkConnectPlugin"
TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
TOKEN_KEY = "token"
LOOPBACK = "127.0.0.1"
SECRET_REF = "spark.kubernetes.driver.secretKeyRef."  # the driver's alone, not the executors'
OLDEST_MAJOR = 4  # PyPI's Spark 3.5 does not hold the server's jar
EVENTS = "sparkanywhere.io/events"
HISTORY_NAME = "spark-history"
HISTORY_PORT = 18080
HISTORY_CLASS = "org.apache.spark.deploy.history.HistoryServer"
SPARK_CLASS = "/opt/spark/bin/spark-class"
# Logs are kept for so long, as long as a server runs to look; else they would fill the disk.
KEEP = {"spark.history.fs.cleaner.enabled": "true", "spark.history.fs.cleaner.maxAge": "30d"}


class ServiceFailed(Failure):
    """The pod does not serve; str() says why, with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of pod that serves: what its label says, and what it logs when it is up."""

    label: str
    marker: str


def find_running(client: KubeClient, namespace: str, service: Service) -> JSON | None:
    """Return the youngest pod of a service that has not ended and is not on its way out, None if there is none."""
    found = [pod for pod in _all(client, namespace, service) if is_alive(pod)]
    return max(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)


def is_alive(pod: JSON) -> bool:
    """Return whether a pod is there to stay: neither ended nor being deleted."""
    has_ended = is_terminal(pod)
    return not has_ended and not pod["metadata"].get("deletionTimestamp")


def stop_all(client: KubeClient, namespace: str, service: Service) -> list[str]:
    """Delete every pod of a service, also those that have ended; return the names of those that had not."""
    pods = _all(client, namespace, service)
    for pod in pods:
        try:
            client.delete(f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}")
        except ApiError as error:
            if error.code != GONE:
                raise
    return [str(pod["metadata"]["name"]) for pod in pods if is_alive(pod)]


def _all(client: KubeClient, namespace: str, service: Service) -> list[JSON]:
    query = {"labelSelector": f"{SERVICE}={service.label}"}
    return list(client.get(f"/api/v1/namespaces/{namespace}/pods", **query)["items"])


def wait_until_up(
    client: KubeClient,
    pod: JSON,
    service: Service,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[JSON, str]:
    """Wait until a pod has logged that it is up; return it as it is then, and the line that said so.

    Raises ServiceFailed where it ends before, or says nothing for START_SECONDS; ApiError, ApiUnreachable.
    """
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
    deadline = monotonic() + START_SECONDS
    while True:
        pod = client.get(path)
        phase = phase_of(pod)
        log = client.text(f"{path}/log") if phase in ("Running", *TERMINAL_PHASES) else ""
        line = next((each for each in log.splitlines() if service.marker in each), "")
        if line and is_alive(pod):
            return pod, line
        if not is_alive(pod):
            raise ServiceFailed(f"{pod['metadata']['name']} has ended.{_last_words(log)}")
        if monotonic() > deadline:
            conditions = status_of(pod).get("conditions") or ()
            waits_for = [each.get("message") for each in conditions if each.get("status") == "False"]
            why = next((f" {message}" for message in waits_for if message), _last_words(log))
            raise ServiceFailed(f"{pod['metadata']['name']} is not up after {START_SECONDS:.0f} s ({phase}).{why}")
        sleep(LOOK_SECONDS)


def _last_words(log: str) -> str:
    lines = log.strip().splitlines()[-LAST_LINES:]
    return "".join(f"\n  {line}" for line in lines)


CONNECT = Service("connect", connect_program.LISTENS)
CONNECT_PROGRAM = Path(connect_program.__file__)


def connect_spec(spec: JobSpec, *, idle_seconds: float, secret: str, is_on_this_host: bool) -> JobSpec:
    """Return the job of a Connect server: `spec` with its program, settings and token.

    A pod without a network of its own listens on this machine's loopback, at a free port. Raises SpecError.
    """
    major = spec.spark.partition(".")[0]
    if major.isdecimal() and int(major) < OLDEST_MAJOR:
        raise SpecError(f"Spark {spec.spark} comes without Spark Connect: --spark must be 4.0 or newer.")
    if spec.max_attempts > 1:
        raise SpecError("--max-attempts is for a job that ends, not for a server.")
    plugins = ",".join(each for each in (spec.conf.get("spark.plugins", ""), PLUGIN) if each)
    return replace(
        spec,
        application=str(CONNECT_PROGRAM),
        args=(f"{idle_seconds:g}", LOOPBACK if is_on_this_host else connect_program.POD_IP),
        labels={**spec.labels, SERVICE: CONNECT.label},
        conf={
            "spark.connect.grpc.binding.port": str(0 if is_on_this_host else CONNECT_PORT),
            **spec.conf,
            "spark.plugins": plugins,
            f"{SECRET_REF}{TOKEN_VARIABLE}": f"{secret}:{TOKEN_KEY}",
        },
    )


def token_secret(name: str, token: str) -> tuple[str, JSON]:
    """Return the Secret, and the collection it goes to."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "Opaque",
        "data": {TOKEN_KEY: base64.b64encode(token.encode()).decode()},
    }
    return "secrets", secret


def secret_of(driver: JSON) -> str:
    """Return the name of the Secret that a Connect server's driver takes its token from, "" where it asks for none."""
    for container in driver["spec"]["containers"]:
        for variable in container.get("env") or ():
            if variable["name"] == TOKEN_VARIABLE:
                return str(variable["valueFrom"]["secretKeyRef"]["name"])
    return ""


def token_of(secret: Mapping[str, JSON]) -> str:
    """Return the token that a Secret holds."""
    return base64.b64decode(str(secret["data"][TOKEN_KEY])).decode()


def is_on_loopback(driver: JSON) -> bool:
    """Return whether a Connect server listens on its machine's loopback, as connect_spec() had it."""
    args = next(iter(driver["spec"]["containers"]))["args"]
    return LOOPBACK in args


def listening_port(line: str) -> int:
    """Return the port in the line by which the program says that it is up."""
    return int(line.rpartition(" ")[2])


def connect_url(*, host: str, port: int, token: str, is_tls: bool = True) -> str:
    """Return what a client takes as its remote; without TLS the host must be localhost, else PySpark wants it."""
    tls = "use_ssl=true;" if is_tls else ""
    return f"sc://{f'[{host}]' if ':' in host else host}:{port}/;{tls}token={token}"


HISTORY = Service("history", "Bound HistoryServer to")


def history_spec(directory: str, *, spark: str, image: str, heap: str, conf: Mapping[str, str]) -> JobSpec:
    """Return the job of a history server over a bucket: its jars and credentials get there as those of any job.

    Raises SpecError.
    """
    return JobSpec(
        application="local:///opt/spark/jars/history-server.jar",  # Spark wants a jar's name; the class is Spark's own
        main_class=HISTORY_CLASS,
        name=HISTORY_NAME,
        spark=spark,
        image=image,
        driver_memory=heap,
        jar_sets=sets_of_place(directory),
        labels={SERVICE: HISTORY.label, EVENTS: events_label(directory)},
        event_log=False,
        conf=_history_conf(directory, conf),
    )


def events_label(directory: str) -> str:
    """Return what the label of a history server says of where it reads: a label holds no URL."""
    return sha256(directory.rstrip("/").encode()).hexdigest()[:16]


def _history_conf(directory: str, conf: Mapping[str, str]) -> dict[str, str]:
    return {"spark.history.fs.logDirectory": directory, "spark.history.ui.port": str(HISTORY_PORT), **KEEP, **conf}


def history_pod(*, image: str, directory: str, heap: str, conf: Mapping[str, str], as_root: bool = False) -> JSON:
    """Return the pod of a history server over `directory`: a folder's URL, or event_log.DIRECTORY for the claim.

    `as_root` lets it read the logs of drivers of any user, which Spark makes readable by their owner's group alone.
    """
    is_claim = directory == event_log.DIRECTORY
    options = " ".join(shlex.quote(f"-D{key}={value}") for key, value in _history_conf(directory, conf).items())
    amount = f"{pod_mib(heap)}Mi"
    labels = {SERVICE: HISTORY.label, EVENTS: events_label(directory), "app": HISTORY_NAME}
    container = {
        "name": "history",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [SPARK_CLASS, HISTORY_CLASS],
        "env": [{"name": "SPARK_HISTORY_OPTS", "value": options}, {"name": "SPARK_DAEMON_MEMORY", "value": heap}],
        "ports": [{"name": "history", "containerPort": HISTORY_PORT}],
        "resources": {"limits": {"memory": amount}, "requests": {"cpu": "500m", "memory": amount}},
        "volumeMounts": [event_log.mount()] if is_claim else [],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{HISTORY_NAME}-", "labels": labels},
        "spec": {
            **({"securityContext": {"runAsUser": 0}} if as_root else {}),
            "containers": [container],
            "restartPolicy": "Never",
            "volumes": [event_log.volume()] if is_claim else [],
        },
    }
