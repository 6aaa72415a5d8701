"""Make the world match the stored objects. Each family imports only those below it.

reactions    Changes, and after each write of an object: passes it on to the controllers that it concerns
admission    before a new object is stored: budgets, quotas, default classes, what stock Spark lacks
cost         what applications have used, and the end of those that spend more than they may
workloads    Jobs, ReplicaSets, StatefulSets and Deployments
pods         PodController: sync starts and stops tasks, observe writes status; resync heals what got lost
lifecycle    what goes with others: garbage, namespaces, claims, definitions
policy       quotas, limit ranges, rights of drivers
cluster      nodes
files        files that jobs bring along
translation  pure: a pod to a provider's task
podmodel     pure: what a pod's parts mean: the one phase table, requests, budget, usage
runtime      what all of them use: background work, Events, tokens, stored objects
"""
