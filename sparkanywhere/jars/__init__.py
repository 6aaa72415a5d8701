"""Jars that work together with a Spark: which they are, where they come from, and the folder that keeps them."""
