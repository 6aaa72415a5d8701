"""Pure: what a local server says when it is up: where it listens, who may come in, what to type next."""

from __future__ import annotations

from pathlib import Path

from sparkanywhere.local_settings import LocalSettings

SPARK_VERSION = "4.3.0"
EXAMPLE = "local:///opt/spark/examples/src/main/python/pi.py"


def announcement(settings: LocalSettings, *, kubeconfig: Path, token_file: Path, ca_file: Path) -> str:
    """Return the lines to print."""
    return "\n".join(
        [
            f"Sparkanywhere answers the Kubernetes API on {settings.url} "
            f"(provider {settings.provider}, storage {settings.storage}, state in {settings.state})",
            _who_may_come_in(settings, token_file),
            "",
            "Type next:",
            f"  export KUBECONFIG={kubeconfig}",
            "  kubectl get pods --watch",
            "",
            *_spark_submit(settings, token_file, ca_file),
            "",
            "Ctrl-C ends the server; pods that run go on.",
        ]
    )


def _who_may_come_in(settings: LocalSettings, token_file: Path) -> str:
    if settings.token:
        return f"A token is asked for; it is in the kubeconfig and in {token_file}."
    return (
        "Open mode: no token is asked for, so every program on this machine may run pods. "
        "That is for loopback only; --token sets one."
    )


def _spark_submit(settings: LocalSettings, token_file: Path, ca_file: Path) -> list[str]:
    conf = [
        f"spark.kubernetes.container.image=sparkanywhere/spark:{SPARK_VERSION}",
        "spark.executor.instances=2",
    ]
    if settings.token:
        conf.append(f"spark.kubernetes.authenticate.submission.oauthTokenFile={token_file}")
    if settings.tls:
        conf.append(f"spark.kubernetes.authenticate.submission.caCertFile={ca_file}")
    return [
        f"  spark-submit --master k8s://{settings.url} --deploy-mode cluster --name pi \\",
        *(f"    --conf {entry} \\" for entry in conf),
        f"    {EXAMPLE} 100",
    ]
