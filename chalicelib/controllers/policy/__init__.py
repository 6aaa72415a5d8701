"""What may be created, and how much of it: quotas, limit ranges, rights of drivers.

Used by platform teams that share a control plane between namespaces.
"""
