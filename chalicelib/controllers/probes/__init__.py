"""Probes of containers: run, counted, and acted upon. For providers whose tasks can be looked into."""
