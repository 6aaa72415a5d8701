"""Reaching a control plane: its URL, its token, its connections."""
