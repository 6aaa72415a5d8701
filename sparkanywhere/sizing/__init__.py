"""What size a job's executors should have, by the event log of a run: read, measured, compared by price."""
