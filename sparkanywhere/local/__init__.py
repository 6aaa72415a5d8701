"""The control plane as a server on this machine."""
