"""Pods and PodTemplates. Spark's drivers and executors are pods."""
