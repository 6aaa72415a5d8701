"""Pure: what a pod's parts mean: status, requests, placement, record, family, usage.

Used by the controllers, and by the command line for what a job has used.
"""
