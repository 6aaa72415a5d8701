"""Namespaces, nodes, Events and leases."""
