"""The kinds: a folder a family; each kind's strategy, validation and columns."""
