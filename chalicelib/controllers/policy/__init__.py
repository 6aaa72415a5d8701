"""What may be created, and how much of it: quotas, limit ranges, classes."""
