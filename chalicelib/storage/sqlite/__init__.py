"""The store in a SQLite file: for a server on this machine."""
