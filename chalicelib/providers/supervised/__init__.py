"""Tasks that a supervisor of ours runs, one each, on whichever machine; what their providers share. No provider itself.

This file imports nothing, so that a supervisor starts in milliseconds.
"""
