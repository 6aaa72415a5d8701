"""Clients of the Kubernetes API: kubeconfig, requests, watches, port forwarding. For the command line and `jobs`."""
