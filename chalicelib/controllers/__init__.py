"""Make the world match the stored objects.

reactions           what follows each write, by resource
pods                PodController: sync starts and stops tasks, observe writes status
  pod_task          pure: Pod -> Task (with pod_env, pod_fields, pod_volumes, pod_resources, pod_network,
                    pod_logins, pod_placement; pod_unsupported names what is left out)
  pod_status        pure: (Pod, TaskState) -> PodStatus, the one phase table (with container_status)
  pod_store         its writes, safe against every other writer (with pod_record, pure)
admission           before a pod is stored: what Spark drivers lack, and warnings (with spark_admission)
fuse                ends what has spent its budget (with budget, pod_usage, pod_family, pure but the last; usage_records
                    keeps what pods used that are gone)
garbage             what goes with its owner; namespaces, claims and expiry likewise
resync              what heals everything that got lost; loop calls it, plane/controllers wires all
"""
