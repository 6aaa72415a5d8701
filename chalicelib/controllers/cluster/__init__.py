"""Nodes: one for the provider. Used by kubectl get nodes and by clients that look for capacity."""
