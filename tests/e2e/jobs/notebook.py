"""What a notebook does: look around by the Kubernetes client's in-cluster configuration, and run Spark."""

import os

from kubernetes import client, config
from pyspark.sql import SparkSession

config.load_incluster_config()
pods = client.CoreV1Api().list_namespaced_pod("default").items
print("sees", sorted(pod.metadata.name for pod in pods), flush=True)
api = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
builder = SparkSession.builder.master(f"k8s://{api}")
for entry in os.environ["CONF"].split():
    builder = builder.config(*entry.split("=", 1))
print("counted", builder.getOrCreate().range(1000).repartition(4).count(), flush=True)
