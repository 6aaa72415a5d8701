"""Steps with Spark: both lines of it, cluster and client mode, dynamic allocation, a lost executor on Spot.

AWS FIS has no action that interrupts Fargate Spot (its Spot interruptions are EC2's: AWS FIS User Guide, "AWS FIS
Actions reference", 2026). Its `aws:ecs:stop-task` stops a task as StopTask does, so that is what is called here.
"""

from __future__ import annotations

import subprocess
import sys
import time
from urllib.parse import quote

from chalicelib.apimachinery.accessors import annotations_of, labels_of, phase_of
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.marks import TASK_ANNOTATION
from sparkanywhere.aws.smoke.ground import Ground, expect
from sparkanywhere.aws.smoke.outcome import StepFailed
from sparkanywhere.aws.smoke.step import Step, step

PI = "local:///opt/spark/examples/src/main/python/pi.py"
RESULT = "Pi is roughly"
JOB_SECONDS = 480.0
LONG = "3000"  # partitions, of which two executors compute for some minutes
VERSION = {"spark4": "4.0.1", "spark3": "3.5.7"}
RULES = [{"apiGroups": [""], "resources": ["pods", "configmaps", "services", "persistentvolumeclaims"], "verbs": ["*"]}]


def _command(ground: Ground, *arguments: str) -> str:
    """Return what a command of ours has printed. Raises StepFailed where it fails or takes too long."""
    command = [sys.executable, "-P", "-m", "sparkanywhere", *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        output, errors = process.communicate(timeout=JOB_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"it took longer than {JOB_SECONDS:.0f} s") from error
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate()
    ground.recorder.add("command", arguments=arguments, output=output, errors=errors, exit_code=process.returncode)
    last = (errors.strip().splitlines() or ["it said nothing"])[-1]
    expect(process.returncode == 0, f"it ended with {process.returncode}: {last}")
    return output


def _job(ground: Ground, line: str, *options: str, partitions: str = "20") -> list[str]:
    where = ("--on", ground.context, "-n", ground.namespace)
    return ["run", *where, "--image", ground.images[line], "--spark", VERSION[line], *options, PI, partitions]


def _pi(line: str) -> Step:
    def run(ground: Ground) -> str:
        began = time.monotonic()
        output = _command(ground, *_job(ground, line, "--executors", "2"))
        expect(RESULT in output, f"the result is not in its output: {output[-200:]!r}")
        return f"{output.strip().splitlines()[-1]}, after {time.monotonic() - began:.0f} s"

    return Step(f"{line}-cluster", f"SparkPi of Spark {VERSION[line]} in cluster mode", 0.02, 3, run)


@step("spark-client", usd=0.02, minutes=3)
def client_mode(ground: Ground) -> str:
    """Try Spark in client mode, its driver in a pod of its own."""
    name = {"metadata": {"name": "client-mode"}}
    ground.create("serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", **name})
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "client-mode"}
    subject = {"kind": "ServiceAccount", "name": "client-mode", "namespace": ground.namespace}
    group = "rbac.authorization.k8s.io/v1"
    ground.create(f"{group}/roles", {**rbac, "kind": "Role", **name, "rules": RULES})
    ground.create(
        f"{group}/rolebindings", {**rbac, "kind": "RoleBinding", **name, "roleRef": role, "subjects": [subject]}
    )
    conf = {
        "spark.driver.host": "$(hostname -i)",
        "spark.executor.instances": "1",
        "spark.kubernetes.container.image": ground.images["spark4"],
        "spark.kubernetes.namespace": ground.namespace,
        "spark.kubernetes.authenticate.executor.serviceAccountName": "client-mode",
    }
    settings = " ".join(f'--conf "{key}={text}"' for key, text in conf.items())
    master = "k8s://https://kubernetes.default.svc"
    script = f"/opt/spark/bin/spark-submit --master {master} --deploy-mode client {settings} {PI} 10"
    size = {"requests": {"cpu": "1", "memory": "2Gi"}}
    ground.start(
        "client-mode", script, image=ground.images["spark4"], resources=size, spec={"serviceAccountName": "client-mode"}
    )
    pod = ground.wait_until_ended("client-mode", seconds=JOB_SECONDS)
    log = ground.log_with("client-mode", RESULT)
    expect(phase_of(pod) == "Succeeded", f"the driver's pod is {phase_of(pod)}: {log[-200:]!r}")
    return "a driver in client mode, in a pod of its own, has its executor"


@step("spark-dynamic", usd=0.03, minutes=4)
def dynamic(ground: Ground) -> str:
    """Try dynamic allocation."""
    output = _command(ground, *_job(ground, "spark4", "--dynamic-allocation", "--executors", "3", partitions="200"))
    expect(RESULT in output, f"the result is not in its output: {output[-200:]!r}")
    return "executors come and go as tasks need them"


def _executors(ground: Ground, application: str) -> list[JSON]:
    query = quote(f"spark-role=executor,spark-app-selector={application}", safe="")
    pods: list[JSON] = ground.call("GET", f"{ground.path('pods')}?labelSelector={query}", is_recorded=False).json()[
        "items"
    ]
    return pods


@step("spark-spot", usd=0.03, minutes=4)
def spot(ground: Ground) -> str:
    """Try executors on Spot, and a lost one: it is replaced."""
    where = ("--on", ground.context, "-n", ground.namespace)
    cluster = ground.site.setting("CLUSTER")
    driver = _command(ground, *_job(ground, "spark4", "--spot", "--executors", "2", "-d", partitions=LONG)).strip()
    pod = ground.wait_for(driver.splitlines()[-1], lambda pod: phase_of(pod) == "Running", "Running")
    application, deadline = labels_of(pod)["spark-app-selector"], time.monotonic() + JOB_SECONDS / 2
    while not (running := [each for each in _executors(ground, application) if phase_of(each) == "Running"]):
        expect(time.monotonic() < deadline, "no executor runs on Spot: is there capacity?")
        ground.pause()
    lost = running[0]
    arn = annotations_of(lost)[TASK_ANNOTATION]
    found = ground.aws("ecs", "describe_tasks", cluster=cluster, tasks=[arn])["tasks"][0]
    ground.aws("ecs", "stop_task", cluster=cluster, task=arn, reason="sparkanywhere smoke: an executor is lost")
    before = {each["metadata"]["name"] for each in running} | {lost["metadata"]["name"]}
    while not [each for each in _executors(ground, application) if each["metadata"]["name"] not in before]:
        expect(time.monotonic() < deadline, "Spark did not ask for another executor")
        ground.pause()
    _command(ground, "kill", *where, driver.splitlines()[-1])
    provider = found.get("capacityProviderName")
    return f"ran on {provider}; a lost executor was replaced. Interruptions themselves cannot be ordered for Fargate"


STEPS = (_pi("spark4"), _pi("spark3"), client_mode, dynamic, spot)
