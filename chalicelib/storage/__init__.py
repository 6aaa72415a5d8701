"""Objects, revisions and the event log. `base` is the contract, each other module one backend."""
