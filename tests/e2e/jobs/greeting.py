"""The module that uses_module.py needs."""


def greet(name: str) -> str:
    """Return a greeting."""
    return f"hello-{name}"
