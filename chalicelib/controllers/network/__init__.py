"""Endpoints of Services."""
