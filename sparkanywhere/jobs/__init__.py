"""Jobs on any provider: what to run as Kubernetes objects, and following, listing and ending it.

Everything goes through the Kubernetes API alone, so that any control plane of ours (and any other) takes it, and no
Java is needed on the client.
"""
