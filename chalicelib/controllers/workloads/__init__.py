"""Workloads: the controllers of Jobs, ReplicaSets, StatefulSets and Deployments.

Spark makes StatefulSets and Deployments of its executors (spark.kubernetes.allocation.pods.allocator=statefulset,
=deployment), and a Deployment's pods are a ReplicaSet's; `submit --max-attempts` makes a Job of the driver.

Each kind has a pure function that looks at an object and what it owns and says what to do now: a WorkloadPlan.
WorkloadController does it. Plans are level-triggered and name what they create after the owner's uid, so that two
processes that plan the same create the same, once.
"""
