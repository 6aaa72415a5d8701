"""The command line: a click command and what it prints."""
