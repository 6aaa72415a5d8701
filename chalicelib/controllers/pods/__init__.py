"""Pods: launched, observed, healed, removed."""
