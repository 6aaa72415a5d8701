"""What all controllers use: background work, Events, tokens, retries, lookups of stored objects."""
