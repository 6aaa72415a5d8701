"""Kubernetes' API machinery as pure functions over plain dicts. Used by every other package; imports none of them."""
