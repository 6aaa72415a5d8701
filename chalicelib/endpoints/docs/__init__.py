"""What the API says of itself: discovery, OpenAPI, version."""
