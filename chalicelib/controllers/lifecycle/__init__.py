"""Objects that go with others: garbage, namespaces, claims, definitions."""
