"""Sources of the Spark examples that are compiled on the user's machine."""
