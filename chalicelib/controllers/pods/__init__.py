"""Pods and their tasks: started, observed, stopped, expired, resynced. Used by every Spark driver and executor."""
