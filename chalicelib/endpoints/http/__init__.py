"""HTTP in and out: requests, their parameters, and responses in what a client accepts. Used by every client."""
