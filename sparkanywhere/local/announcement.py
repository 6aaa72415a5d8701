"""Pure: what a local server prints when it is up: where it listens, who has access, what to type next."""

from __future__ import annotations

from sparkanywhere.local.local_settings import LocalSettings

SPARK_VERSION = "4.3.0"
EXAMPLE = "local:///opt/spark/examples/src/main/python/pi.py"


def announcement(settings: LocalSettings) -> str:
    """Return the lines to print."""
    access = (
        "Open mode: no token is asked for, so every program on this machine may run pods. "
        "That is for loopback only; --token sets one."
    )
    conf = [f"spark.kubernetes.container.image=sparkanywhere/spark:{SPARK_VERSION}"]
    conf.append("spark.executor.instances=2")
    if settings.token:
        access = f"A token is asked for; it is in the kubeconfig and in {settings.token_file}."
        if not settings.tls:
            access += " kubectl sends it over https alone: start with --tls for that."
        conf.append(f"spark.kubernetes.authenticate.submission.oauthTokenFile={settings.token_file}")
    if settings.tls:
        conf.append(f"spark.kubernetes.authenticate.submission.caCertFile={settings.ca_file}")
    return "\n".join(
        [
            f"Sparkanywhere answers the Kubernetes API on {settings.url} "
            f"(provider {settings.provider}, storage {settings.storage}, state in {settings.state})",
            access,
            f"In a browser {settings.url}/ shows applications, their logs and what they cost.",
            "",
            "Type next:",
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
