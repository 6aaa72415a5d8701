"""HTTP and Lambda events in, registry verbs out; the only package that imports chalice."""
