"""What tells our own nodes from others'. Apart from nodes.py, so that a command line need not load a strategy."""

PROVIDER_LABEL = "sparkanywhere.io/provider"  # what runs the pods of a node
