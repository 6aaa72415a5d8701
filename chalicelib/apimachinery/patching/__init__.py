"""Patches, server-side apply and managedFields. Used by Spark (apply), kubectl apply, edit and label."""
