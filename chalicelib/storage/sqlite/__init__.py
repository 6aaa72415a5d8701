"""The store in a SQLite file. Used by servers on one machine."""
