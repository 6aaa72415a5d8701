"""What controllers stand on: threads, chores, lookups, tokens, Events, retries."""
