"""The process that stands by one task: it starts, watches, restarts and ends the task's processes.

It outlives whoever started it, uses the standard library alone and imports little, since every task has one.
"""
