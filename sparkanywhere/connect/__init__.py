"""Spark Connect by one URL: a gateway with TLS and users of its own before a server that is a pod."""
