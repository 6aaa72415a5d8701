"""Tasks as container groups of Azure Container Instances: one PUT each, and one list a poll tells of all.

provider    the Provider; poller, ended: what changes, and what is kept of a group when it has ended
group       a task as the body of a container group; start: what runs in its containers before their commands
states      what Azure says of a group, as a TaskState
arm         calls of Azure Resource Manager, and its errors
"""
