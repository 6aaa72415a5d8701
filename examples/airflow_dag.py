"""A daily Spark job from Airflow, with Airflow's own KubernetesPodOperator; nothing of ours is imported.

The operator creates the driver pod and follows its log; the driver asks for its executors itself.
Set up: a connection `sparkanywhere` of type Kubernetes with the control plane's kubeconfig
(`sparkanywhere serve` prints its path; for AWS see docs/aws-quickstart.md). Run with Airflow 3.3.2 and its
provider cncf.kubernetes 10.25.0 against local processes.
"""

from __future__ import annotations

from datetime import datetime

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from kubernetes.client import models

IMAGE = "sparkanywhere/spark:4.3.0"
# Each try is an application of its own; a label says which pods belong together.
APP = "airflow-{{ ts_nodash | lower }}-{{ ti.try_number }}"
SETTINGS = {
    "spark.app.name": "pi",
    "spark.app.id": APP,
    "spark.master": "k8s://https://kubernetes.default.svc",  # the control plane replaces this by its own address
    "spark.kubernetes.submitInDriver": "true",  # this pod is the driver already, as spark-submit's is
    "spark.executor.instances": "2",
    "spark.kubernetes.container.image": IMAGE,
    "spark.kubernetes.namespace": "default",
    "spark.kubernetes.driver.pod.name": "$(POD_NAME)",
}

with DAG("spark_pi", schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False) as dag:
    KubernetesPodOperator(
        task_id="pi",
        kubernetes_conn_id="sparkanywhere",
        namespace="default",
        name="pi",
        image=IMAGE,
        labels={"spark-role": "driver", "spark-app-selector": APP, "spark-app-name": "pi"},
        arguments=[
            "driver",
            *[word for key, value in SETTINGS.items() for word in ("--conf", f"{key}={value}")],
            "local:///opt/spark/examples/src/main/python/pi.py",
            "10",
        ],
        env_vars=[
            models.V1EnvVar(
                name=name, value_from=models.V1EnvVarSource(field_ref=models.V1ObjectFieldSelector(field_path=path))
            )
            for name, path in (("POD_NAME", "metadata.name"), ("SPARK_DRIVER_BIND_ADDRESS", "status.podIP"))
        ],
        container_resources=models.V1ResourceRequirements(
            requests={"cpu": "1", "memory": "1408Mi"}, limits={"memory": "1408Mi"}
        ),
        startup_timeout_seconds=600,
        get_logs=True,
        on_finish_action="keep_pod",  # the control plane removes it after a day; `sparkanywhere ps` shows it till then
    )
