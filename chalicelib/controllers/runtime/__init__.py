"""What all controllers use: background work, Events, tokens, stored objects."""
