"""spark-on-k8s' guide: submit, wait, status, logs, list, kill, delete."""

from __future__ import annotations

import time

from spark_on_k8s.client import ExecutorInstances, PodResources, SparkOnK8S
from spark_on_k8s.utils.app_manager import SparkAppManager
from spark_on_k8s.utils.spark_app_status import SparkAppStatus

IMAGE = "sparkanywhere/spark:4.3.0"
client, manager = SparkOnK8S(), SparkAppManager()


def submit(name, *arguments, waiter):
    return client.submit_app(
        image=IMAGE,
        app_path="local:///opt/spark/examples/src/main/python/pi.py",
        app_arguments=list(arguments),
        namespace="default",
        service_account="default",
        app_name=name,
        app_waiter=waiter,
        image_pull_policy="IfNotPresent",
        driver_resources=PodResources(cpu=1, memory=512, memory_overhead=384),
        executor_resources=PodResources(cpu=1, memory=512, memory_overhead=384),
        executor_instances=ExecutorInstances(initial=1),
    )


done = submit("guide-pi", "2", waiter="wait")
assert manager.app_status(namespace="default", pod_name=done) is SparkAppStatus.Succeeded
assert len(manager.list_apps(namespace="default")) == 1
manager.delete_app(namespace="default", pod_name=done)

running = submit("guide-long", "100000", waiter="no_wait")
for _ in range(300):
    if manager.app_status(namespace="default", pod_name=running) is SparkAppStatus.Running:
        break
    time.sleep(0.2)
manager.kill_app(namespace="default", pod_name=running)
manager.wait_for_app(namespace="default", pod_name=running, poll_interval=0.5)
assert manager.app_status(namespace="default", pod_name=running) is SparkAppStatus.Failed
manager.delete_app(namespace="default", pod_name=running, force=True)
