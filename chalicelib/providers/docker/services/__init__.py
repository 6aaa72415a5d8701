"""Services on an engine: a container that serves names and forwards connections, and what it is told."""
