"""Deployments, ReplicaSets, StatefulSets and Jobs. Spark's pod allocators make the first three."""
