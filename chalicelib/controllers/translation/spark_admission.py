"""What stock Spark lacks to find this API server, put into driver pods as they come in.

Each addition has a name, which stands in the annotation INJECTED; the annotation INJECT on a pod chooses
which may be made (`false`: none; a list of names: those). Made once, and only where the user has said nothing
themselves. Which additions work on which Spark was measured for 3.5.9, 4.0.5 and 4.3.0.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import annotations_of, labels_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.volumes import TOKEN_DIRECTORY
from chalicelib.providers.base import PORT

INJECT = "sparkanywhere.io/inject"
INJECTED = "sparkanywhere.io/injected"
PROPERTIES_KEY = "spark.properties"

DRIVER_HOST = "spark.driver.host"
DRIVER_MASTER = "spark.kubernetes.driver.master"
TOKEN_FILE = "spark.kubernetes.authenticate.driver.mounted.oauthTokenFile"
CA_FILE = "spark.kubernetes.authenticate.driver.mounted.caCertFile"
# Spark's own defaults are one each for a whole machine (KubernetesConf, Constants.scala; SparkUI.scala).
PORTS = {"spark.driver.port": 7078, "spark.driver.blockManager.port": 7079, "spark.ui.port": 4040}
# Driver and executors then know each other by a secret that the driver draws and hands to its executors
# (spark.apache.org/docs/4.0.1/security.html, "Spark RPC"; the same since 3.0).
AUTHENTICATE = "spark.authenticate"
RECONNECT_INTERVAL = "KUBERNETES_WATCH_RECONNECTINTERVAL"
RETRY_LIMIT = "KUBERNETES_REQUEST_RETRY_BACKOFFLIMIT"
BIND_ADDRESS = "SPARK_DRIVER_BIND_ADDRESS"

# Spark has its Kubernetes client, fabric8, try an unanswered request three times within 0.7 s: a driver that starts
# would die of our restart. Seven times are 12.7 s (0.1 s, doubled each time).
_RETRIES = "7"
# What fabric8 waits between the end of a watch's answer and the next request, in milliseconds: its own second where
# each request costs, and next to nothing on a connection that has ended for once.
POLLED_MS, STREAMED_MS = 1000, 50
# How often Spark lists all its executors, in case that its watch has missed one: every 30 seconds by itself.
POLLING_INTERVAL = "spark.kubernetes.executor.apiPollingInterval"
POLLED_LISTS = "120s"
# The port of an executor's block manager: any by itself, although its pod declares this one in any case
# (resource-managers/kubernetes, BasicExecutorFeatureStep and Constants.DEFAULT_BLOCKMANAGER_PORT, Spark 3.5 to 4.3).
BLOCK_MANAGER_PORT = "spark.blockManager.port"
DECLARED_PORT = "7079"
# Where Spark resolves --packages: by itself below the home of the image's user, who often has none to write to.
IVY_HOME = "spark.jars.ivy"

# What a user may have set by --conf: the submission then carries it in spark.properties, which a
# command line beats. spark.driver.host is not among them: Spark sets it itself, to a name of DNS.
_YIELDS_TO_PROPERTIES = (
    DRIVER_MASTER,
    TOKEN_FILE,
    CA_FILE,
    AUTHENTICATE,
    POLLING_INTERVAL,
    BLOCK_MANAGER_PORT,
    IVY_HOME,
    "spark.ui.port",  # the other two of PORTS Spark always writes there itself
)


@dataclass(frozen=True, slots=True)
class Injection:
    """What to tell drivers: the URL of this API, and whether tokens and a certificate are mounted.

    `shares_network`: other applications reach the driver's ports, so that it should know its executors.
    `shares_address`: others have them, too. `polled`: each answer to a watch ends at once, and each request costs.
    `declared_ports`: pods reach one another at those alone.
    `ivy_home`: the folder that pods resolve --packages in.
    """

    master_url: str = ""
    token: bool = False
    root_ca: bool = False
    shares_network: bool = False
    shares_address: bool = False
    polled: bool = False
    declared_ports: bool = False
    ivy_home: str = ""


def admit(pod: JSON, injection: Injection) -> JSON:
    """Return the pod with what its Spark driver needs; other pods, and admitted ones, as they are."""
    driver = driver_container(pod)
    annotations = annotations_of(pod)
    if driver is None or INJECTED in annotations:
        return pod
    allowed = annotations.get(INJECT)
    pod = copy.deepcopy(pod)
    driver = driver_container(pod) or {}
    wanted = {
        DRIVER_HOST: f"$({BIND_ADDRESS})" if _has_variable(driver, BIND_ADDRESS) else "",
        DRIVER_MASTER: injection.master_url,
        TOKEN_FILE: f"{TOKEN_DIRECTORY}/token" if injection.token else "",
        CA_FILE: f"{TOKEN_DIRECTORY}/ca.crt" if injection.root_ca else "",
        AUTHENTICATE: "true" if injection.shares_network else "",
        POLLING_INTERVAL: POLLED_LISTS if injection.polled else "",
        BLOCK_MANAGER_PORT: DECLARED_PORT if injection.declared_ports else "",
        IVY_HOME: injection.ivy_home,
        **({key: PORT.format(number) for key, number in PORTS.items()} if injection.shares_address else {}),
    }
    given = {arg.partition("=")[0] for arg in driver["args"] if "=" in arg}
    names = [key for key, text in wanted.items() if text and key not in given and _is_allowed(key, allowed)]
    driver["args"][1:1] = [word for key in names for word in ("--conf", f"{key}={wanted[key]}")]
    interval = POLLED_MS if injection.polled else STREAMED_MS
    for name, value in ((RECONNECT_INTERVAL, str(interval)), (RETRY_LIMIT, _RETRIES)):
        if _is_allowed(name, allowed) and not _has_variable(driver, name):
            driver["env"] = [*(driver.get("env") or []), {"name": name, "value": value}]
            names.append(name)
    if names:
        metadata = pod["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), INJECTED: ",".join(names)}
    return pod


def driver_container(pod: JSON) -> JSON | None:
    """Return the container of a driver pod that runs Spark, whichever its place; None for other pods."""
    if labels_of(pod).get("spark-role") != "driver":
        return None
    containers: list[JSON] = spec_of(pod).get("containers") or []
    return next((each for each in containers if (each.get("args") or [""])[0] == "driver"), None)


def respecting_properties(pod: JSON, container: JSON, properties: str) -> list[str] | None:
    """Return the container's args without those injected settings that spark.properties sets itself."""
    args: list[str] | None = container.get("args")
    injected = annotations_of(pod).get(INJECTED, "").split(",")
    # as Spark writes it: one `key=value` a line
    lines = [line for line in properties.splitlines() if not line.startswith(("#", "!"))]
    given = {line.partition("=")[0].strip() for line in lines}
    overruled = {key for key in _YIELDS_TO_PROPERTIES if key in given and key in injected}
    if not args or args[0] != "driver" or not overruled:
        return args
    kept, rest = args[:1], args[1:]
    while len(rest) >= 2 and rest[0] == "--conf":  # what was injected stands right after `driver`
        if rest[1].partition("=")[0] not in overruled:
            kept += rest[:2]
        rest = rest[2:]
    return kept + rest


def _is_allowed(name: str, allowed: str | None) -> bool:
    if allowed is None or allowed.strip().lower() in ("", "true"):
        return True
    return name in [part.strip() for part in allowed.split(",")]


def _has_variable(container: JSON, name: str) -> bool:
    return any(variable.get("name") == name for variable in container.get("env") or ())
