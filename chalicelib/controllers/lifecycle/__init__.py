"""Objects that are deleted together with others: garbage, namespaces, claims, definitions.

Used by Spark, whose executors, ConfigMaps and Services are deleted with their driver, and by `kubectl delete`.
"""
