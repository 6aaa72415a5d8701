"""Which test runs which scenario on what. docs/conformance.md is held to this table, and this to the tests.

The first names are those of Spark's own suite (resource-managers/kubernetes/integration-tests); then come faults.
"""

from __future__ import annotations

import ast
from pathlib import Path

NEWEST = "4.3.0"
BOTH = (NEWEST, "3.5.9")
COMMON = ("test_basic.py", "spark_scenarios.py")
FILES = {
    "process": (*COMMON, "plugin_scenarios.py", "test_spark_process.py"),
    "Docker": (*COMMON, "test_spark_docker.py", "test_spark_engine_restart.py"),
    "AWS in a box": ("test_basic.py", "test_spark_aws.py"),
}
TEMPLATE_PROCESS = "test_pod_template_with_all_around_it_and_a_claim_on_demand"
TEMPLATE_DOCKER = "test_pod_template_with_init_container_sidecar_secrets_config_and_spark_conf"
VOLUMES_DOCKER = "test_volumes_claims_on_demand_and_memory"
BOX_DYNAMIC = "test_dynamic_allocation_asks_for_executors_and_lets_them_go_though_functions_are_killed"
BOX_KILLED = "test_a_killed_executor_is_replaced_and_a_killed_driver_ends_all_though_events_are_lost"
BOX_TROUBLE = "test_executors_that_start_with_trouble_and_end_with_their_spot_capacity_are_replaced"
CLIENT = "test_client_mode_runs_the_driver_here_and_the_executors_as_pods"
MODULES = "test_python_modules_reach_driver_and_executors"
DYNAMIC = "test_dynamic_allocation_grows_and_shrinks"
SIDE_BY_SIDE = "test_several_applications_run_side_by_side"
DRIVER_KILLED = "test_a_killed_driver_fails_and_takes_its_executors"
ROLLED, REUSED = "test_executors_are_rolled", "test_a_claim_is_reused_by_the_next_executor"
RESIZED = "test_a_job_whose_executors_cannot_be_resized_goes_on"
TEXTS = "test_texts_and_file_names_arrive_as_they_were_typed"
STATEFUL_SET, DEPLOYMENT = "test_executors_of_a_stateful_set", "test_executors_of_a_deployment"

# scenario: the test on processes, on Docker, on AWS in a box; "" for none
SCENARIOS: dict[str, tuple[str, str, str]] = {
    "Basic": ("test_basic_on_processes", "test_basic_on_docker", "test_basic_on_aws_in_a_box"),
    "ClientMode": (CLIENT, CLIENT, "test_spark_pi_runs_with_its_driver_on_this_machine"),
    "Decommission": ("test_decommission", "test_decommission", BOX_TROUBLE),
    "Deps (`--py-files`)": (MODULES, MODULES, ""),
    "PV (a claim OnDemand)": (TEMPLATE_PROCESS, VOLUMES_DOCKER, ""),
    "Volume (emptyDir, in memory)": (TEMPLATE_PROCESS, VOLUMES_DOCKER, ""),
    "Secrets": (TEMPLATE_PROCESS, TEMPLATE_DOCKER, ""),
    "PodTemplate": (TEMPLATE_PROCESS, TEMPLATE_DOCKER, ""),
    "SparkConfPropagate": (TEMPLATE_PROCESS, TEMPLATE_DOCKER, ""),
    "Python": (MODULES, MODULES, ""),
    "DynamicAllocation": (DYNAMIC, DYNAMIC, BOX_DYNAMIC),
    "executors of a StatefulSet": (STATEFUL_SET, STATEFUL_SET, ""),
    "executors of a Deployment": (DEPLOYMENT, DEPLOYMENT, ""),
    "ExecutorRollPlugin": (ROLLED, "", ""),
    "claims reused (`reusePersistentVolumeClaim`)": (REUSED, "", ""),
    "ExecutorResizePlugin, refused": (RESIZED, "", ""),
    "sidecar and init container": (TEMPLATE_PROCESS, TEMPLATE_DOCKER, ""),
    "S3 by `run --with s3`": ("", "", "test_a_job_of_ours_with_s3_reads_and_writes_as_its_tasks_role"),
    "texts and file names as they were typed": (TEXTS, TEXTS, ""),
    "three applications at once": (SIDE_BY_SIDE, SIDE_BY_SIDE, ""),
    "executor out of memory, replaced": (
        "test_an_executor_out_of_memory_is_replaced",
        "test_an_executor_out_of_memory_is_replaced",
        "",
    ),
    "executor killed, replaced": ("test_a_killed_executor_is_replaced", "", BOX_KILLED),
    "driver killed": (DRIVER_KILLED, DRIVER_KILLED, BOX_KILLED),
    "driver deleted": (
        "test_deleting_a_driver_takes_all_that_it_owned",
        "",
        "test_a_driver_that_is_deleted_takes_its_executors_along",
    ),
    "control plane killed and started": (
        "test_a_job_outlives_a_control_plane_that_is_killed_again_and_again",
        "test_a_job_outlives_a_control_plane_that_is_killed",
        BOX_DYNAMIC,
    ),
    "engine killed and started": ("", "test_a_job_outlives_its_engine", ""),
    "Spot taken away": ("", "", BOX_TROUBLE),
    "events dropped, doubled and late": ("", "", BOX_KILLED),
    "launches throttled, refused, lost in provisioning": ("", "", BOX_TROUBLE),
}


def table() -> list[str]:
    """Return the table's lines. Raises LookupError where a test is not there."""
    lines = [f"| scenario | {' | '.join(FILES)} |", "|---|---|---|---|"]
    for scenario, tests in SCENARIOS.items():
        cells = [_versions(FILES[where], test) for where, test in zip(FILES, tests, strict=True)]
        lines.append(f"| {scenario} | {' | '.join(cells)} |")
    return lines


def _versions(files: tuple[str, ...], test: str) -> str:
    """Return the versions of Spark that a test runs."""
    if not test:
        return "–"
    for file in files:
        for node in ast.walk(ast.parse((Path(__file__).parent / file).read_text())):
            if isinstance(node, ast.FunctionDef) and node.name == test:
                return ", ".join(_parameters(node) or [NEWEST])
    raise LookupError(f"no test {test} in {files}")


def _parameters(test: ast.FunctionDef) -> list[str]:
    """Return the versions that a test is parametrised by, none if it is not; a name instead of a list means both."""
    for each in test.decorator_list:
        if isinstance(each, ast.Call) and ast.dump(each.args[0]) == "Constant(value='version')":
            given = each.args[1]
            return list(BOTH) if isinstance(given, ast.Name) else list(ast.literal_eval(given))
    return []
