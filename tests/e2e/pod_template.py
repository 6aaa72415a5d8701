"""One job with much around it: a pod template with init container and sidecar, Secrets, a ConfigMap, SPARK_CONF_DIR.

After PodTemplateSuite, SecretsTestsSuite and SparkConfPropagateSuite of Spark's own Kubernetes integration tests.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import yaml

from chalicelib.apimachinery.types import JSON
from tests.e2e.spark_cluster import NAMESPACE, SparkCluster

DRIVER = "spark-kubernetes-driver"
MARK = "PROPAGATED"  # before each line that Spark logs with the submitter's own log4j2.properties
LOG4J = f"""\
rootLogger.level = info
rootLogger.appenderRef.stdout.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = {MARK} %p %c{{1}}: %m%n
"""
SAID = (
    "note: from the init container",  # processes see other paths than containers
    "greeting: hello",
    "word: hush",
    "WORD=hush",
    f"{MARK} INFO",
)


def submit_with_template(cluster: SparkCluster, home: Path, folder: Path, *, conf: Sequence[str] = ()) -> None:
    """Make the Secret and the ConfigMap, run looks_around.py with all of it, and see spark-submit end well."""
    secret = {"data": {"word": base64.b64encode(b"hush").decode()}}
    cluster.client.create(f"{NAMESPACE}/secrets", {"metadata": {"name": "word"}, **secret})
    greeting = {"metadata": {"name": "users"}, "data": {"greeting": "hello"}}
    cluster.client.create(f"{NAMESPACE}/configmaps", greeting)
    template = folder / "template.yaml"
    template.write_text(yaml.safe_dump(_template()))
    own_conf = folder / "conf"
    own_conf.mkdir()
    (own_conf / "log4j2.properties").write_text(LOG4J)
    given = ("/from-init/note", "/etc/users/greeting", "/etc/word/word", "--", "WORD")
    settings = [
        f"spark.kubernetes.driver.podTemplateFile={template}",
        "spark.kubernetes.driver.secrets.word=/etc/word",
        "spark.kubernetes.driver.secretKeyRef.WORD=word:word",
        "spark.kubernetes.executor.secrets.word=/etc/word",
        "spark.kubernetes.node.selector.disk=fast",
        *conf,
    ]

    submitted = cluster.submit(
        home, *cluster.program("looks_around.py", *given), conf=settings, SPARK_CONF_DIR=str(own_conf)
    )

    assert submitted.returncode == 0, submitted.stdout


def missing_of_template(driver: JSON, said: str, sidecar: str) -> list[str]:
    """Return what the driver, its log and its sidecar's lack."""
    lacks = [words for words in SAID if words not in said]
    if "beside the driver" not in sidecar:
        lacks.append("the sidecar's words")
    if driver["metadata"]["labels"].get("team") != "data":
        lacks.append("the template's label")
    return [*lacks, said] if lacks else []


def _template() -> JSON:
    note = {"name": "note", "mountPath": "/from-init"}
    small = {"image": "busybox", "imagePullPolicy": "IfNotPresent", "volumeMounts": [note]}
    prepare = "echo from the init container > /from-init/note"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {"team": "data"}},
        "spec": {
            "initContainers": [{"name": "prepare", "command": ["sh", "-c", prepare], **small}],
            "containers": [
                {"name": DRIVER, "volumeMounts": [note, {"name": "users", "mountPath": "/etc/users"}]},
                {"name": "sidecar", "command": ["sh", "-c", "echo beside the driver; sleep 1"], **small},
            ],
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "volumes": [{"name": "note", "emptyDir": {}}, {"name": "users", "configMap": {"name": "users"}}],
        },
    }
