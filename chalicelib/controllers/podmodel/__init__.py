"""Pure: what a pod's parts mean: status, resources, placement, record, family."""
