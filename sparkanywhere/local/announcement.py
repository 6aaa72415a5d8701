"""Pure: what a local server says when it is up: where it listens, who may come in, what to type next."""

from __future__ import annotations

from sparkanywhere.local.local_settings import LocalSettings

SPARK_VERSION = "4.3.0"
EXAMPLE = "local:///opt/spark/examples/src/main/python/pi.py"


def announcement(settings: LocalSettings) -> str:
    """Return the lines to print."""
    return "\n".join(
        [
            f"Sparkanywhere answers the Kubernetes API on {settings.url} "
            f"(provider {settings.provider}, storage {settings.storage}, state in {settings.state})",
            _who_may_come_in(settings),
            f"In a browser {settings.url}/ shows applications, their logs and what they cost.",
            "",
            "Type next:",
            f"  export KUBECONFIG={settings.kubeconfig_file}",
            "  kubectl get pods --watch",
            "",
            *_spark_submit(settings),
            "",
            "Ctrl-C ends the server; pods that run go on.",
        ]
    )


def _who_may_come_in(settings: LocalSettings) -> str:
    if settings.token:
        asked = f"A token is asked for; it is in the kubeconfig and in {settings.token_file}."
        return (
            asked
            if settings.tls
            else f"{asked} kubectl sends it over https alone: start with --tls for that."
        )
    return (
        "Open mode: no token is asked for, so every program on this machine may run pods. "
        "That is for loopback only; --token sets one."
    )


def _spark_submit(settings: LocalSettings) -> list[str]:
    conf = [
        f"spark.kubernetes.container.image=sparkanywhere/spark:{SPARK_VERSION}",
        "spark.executor.instances=2",
    ]
    if settings.token:
        conf.append(f"spark.kubernetes.authenticate.submission.oauthTokenFile={settings.token_file}")
    if settings.tls:
        conf.append(f"spark.kubernetes.authenticate.submission.caCertFile={settings.ca_file}")
    return [
        f"  spark-submit --master k8s://{settings.url} --deploy-mode cluster --name pi \\",
        *(f"    --conf {entry} \\" for entry in conf),
        f"    {EXAMPLE} 100",
    ]
