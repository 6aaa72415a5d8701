"""What the API does to objects, the same for every resource."""
