"""Objects that go with others: garbage, namespaces, claims, definitions.

Used by Spark, whose executors, ConfigMaps and Services go with the driver that owns them, and by `kubectl delete`.
"""
