"""A Spark Connect server as a job whose program serves until it is idle for long (connect_program.py). Pure.

Its token is a Secret that the driver owns. Python clients send a token without TLS to the host `localhost` alone.
Reference: Spark 4.3, "Spark Connect Overview"; spark.connect.grpc.binding.*, SPARK_CONNECT_AUTHENTICATE_TOKEN.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from chalicelib.apimachinery.types import JSON
from sparkanywhere.jobs import connect_program
from sparkanywhere.jobs.service_pod import SERVICE, Service
from sparkanywhere.jobs.spec import JobSpec, SpecError

CONNECT = Service("connect", connect_program.LISTENS)
NAME = "spark-connect"
PORT = 15002
PLUGIN = "org.apache.spark.sql.connect.SparkConnectPlugin"
TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
TOKEN_KEY = "token"
LOOPBACK = "127.0.0.1"
SECRET_REF = "spark.kubernetes.driver.secretKeyRef."  # the driver's alone, not the executors'
PROGRAM = Path(connect_program.__file__)
OLDEST_MAJOR = 4  # PyPI's Spark 3.5 does not hold the server's jar


def connect_spec(
    spec: JobSpec, *, idle_seconds: float, secret: str, is_on_this_host: bool, port: int = 0
) -> JobSpec:
    """Return the job of a Connect server: `spec` with its program, settings and token.

    A pod without a network of its own listens on this machine's loopback, at `port` or, where that is 0, a free one.
    Raises SpecError.
    """
    major = spec.spark.partition(".")[0]
    if major.isdecimal() and int(major) < OLDEST_MAJOR:
        raise SpecError(f"Spark {spec.spark} comes without Spark Connect: --spark must be 4.0 or newer.")
    if spec.max_attempts > 1:
        raise SpecError("--max-attempts is for a job that ends, not for a server.")
    plugins = ",".join(each for each in (spec.conf.get("spark.plugins", ""), PLUGIN) if each)
    return replace(
        spec,
        application=str(PROGRAM),
        args=(f"{idle_seconds:g}", LOOPBACK if is_on_this_host else "$(SPARK_DRIVER_BIND_ADDRESS)"),
        labels={**spec.labels, SERVICE: CONNECT.label},
        conf={
            "spark.connect.grpc.binding.port": str(port if is_on_this_host else PORT),
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
    """Return the name of the Secret that a Connect server's driver takes its token from."""
    for container in driver["spec"]["containers"]:
        for variable in container.get("env") or ():
            if variable["name"] == TOKEN_VARIABLE:
                return str(variable["valueFrom"]["secretKeyRef"]["name"])
    raise ValueError(f"{driver['metadata']['name']} has no token")


def token_of(secret: Mapping[str, JSON]) -> str:
    """Return the token that a Secret holds."""
    return base64.b64decode(str(secret["data"][TOKEN_KEY])).decode()


def is_on_loopback(driver: JSON) -> bool:
    """Return whether a Connect server listens on its machine's loopback, as connect_spec() had it."""
    args = next(iter(driver["spec"]["containers"]))["args"]
    return bool(args[-1] == LOOPBACK)


def listening_port(line: str) -> int:
    """Return the port in the line by which the program says that it is up."""
    return int(line.rpartition(" ")[2])


def url(*, port: int, token: str) -> str:
    """Return what a client takes as its remote; it must say localhost, else it wants TLS."""
    return f"sc://localhost:{port}/;token={token}"
