"""Objects, revisions and the event log. `base` is the contract; sqlite and dynamodb are its backends.

Used by the registry and the controllers.
"""
