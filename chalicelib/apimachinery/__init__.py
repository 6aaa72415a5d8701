"""Kubernetes' rules as pure functions over plain dicts; imports nothing else of ours."""
