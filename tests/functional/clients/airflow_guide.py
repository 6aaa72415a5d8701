"""Airflow's KubernetesPodOperator: a plain pod, one that fails, and an XCom, read and ended in the side car by exec."""

from __future__ import annotations

import json

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import OnFinishAction

CONTEXT = {"ti": None}


class Operator(KubernetesPodOperator):
    """The operator without Airflow's database: labels that it would take from a task instance."""

    @staticmethod
    def _get_ti_pod_labels(*_, **__):
        return {"dag_id": "guide", "task_id": "guide"}


def operator(name, script, **options):
    return Operator(
        task_id=name,
        name=name,
        namespace="default",
        image="busybox",
        cmds=["sh", "-c", script],
        on_finish_action=OnFinishAction.DELETE_POD,
        startup_timeout_seconds=90,
        **options,
    )


def run(name, script, **options):
    made = operator(name, script, **options)
    request = made.build_pod_request_obj(CONTEXT)
    pod = made.pod_manager.create_pod(request)
    return made, pod


made, pod = run("plain", "echo hello")
assert made.pod_manager.await_pod_completion(pod).status.phase == "Succeeded"
made.pod_manager.delete_pod(pod)

made, pod = run("failing", "exit 3")
ended = made.pod_manager.await_pod_completion(pod)
assert ended.status.phase == "Failed"
assert ended.status.container_statuses[0].state.terminated.exit_code == 3
made.pod_manager.delete_pod(pod)

value = {"rows": [1, 2, 3]}
made, pod = run(
    "xcom", f"mkdir -p /airflow/xcom; echo '{json.dumps(value)}' > /airflow/xcom/return.json", do_xcom_push=True
)
made.pod_manager.await_container_completion(pod, "base")
made.pod_manager.await_xcom_sidecar_container_start(pod)
assert json.loads(made.pod_manager.extract_xcom(pod)) == value
assert made.pod_manager.await_pod_completion(pod, container_name="base").status.phase == "Succeeded"
made.pod_manager.delete_pod(pod)
