"""Pure: a pod, and the objects it names, to a provider's task."""
