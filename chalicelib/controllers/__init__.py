"""Make the world match the stored objects."""
