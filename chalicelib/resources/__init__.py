"""The kinds that are served, one folder per family: <family>/<resource>.py.

A kind is one subclass of registry.strategy.Strategy, which holds all that is peculiar to it: names and columns,
defaults and validation, its subresources (registry.subresources) with their own strategies, and what the default
roles `view` and `edit` may do with it. Discovery, the roles, quotas' counts and the garbage collector are derived
from that. To add a kind that is only stored, write that class and enter it in catalogue.py; a kind whose schema
tools/kubernetes_schema.py does not extract yet is entered there, too. What happens to objects afterwards is the
controllers' work.
"""
