"""Submit pi.py as the guide of spark-on-k8s does, and wait for it: the image is the first argument."""

import sys

from spark_on_k8s.client import ExecutorInstances, PodResources, SparkOnK8S

small = PodResources(cpu=1, memory=512, memory_overhead=300)
SparkOnK8S().submit_app(
    image=sys.argv[1],
    app_path="local:///opt/spark/examples/src/main/python/pi.py",
    app_arguments=["4"],
    namespace="default",
    service_account="spark",
    app_name="pi",
    app_waiter="log",
    driver_resources=small,
    executor_resources=small,
    executor_instances=ExecutorInstances(initial=1),
)
