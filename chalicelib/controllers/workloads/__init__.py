"""Workloads: the small controllers of Jobs, ReplicaSets, StatefulSets and Deployments.

Each kind has a pure function that looks at an object and what it owns and says what to do now: a Plan.
WorkloadController does it. Plans are level-triggered and name what they create after the owner's uid, so that two
processes that plan the same create the same, once.
"""
