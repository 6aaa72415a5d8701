"""Pure: a pod, and the objects it names, to a provider's task. Used to launch pods and to preview them."""
