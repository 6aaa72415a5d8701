"""Kubernetes' rules that hold for every object: names, labels, metadata, quantities, Status, Tables."""
