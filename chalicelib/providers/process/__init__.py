"""Tasks as groups of local processes. Start reading at `provider`; `supervisor` runs one task each.

This file imports nothing, so that a supervisor starts in milliseconds.
"""
