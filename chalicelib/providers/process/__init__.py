"""Tasks as groups of local processes. Start reading at `provider`; `supervised.supervisor` runs one task each."""
