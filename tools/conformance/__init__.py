"""Cases of requests with a real API server's answers: recorded from it, and replayed against ours."""
