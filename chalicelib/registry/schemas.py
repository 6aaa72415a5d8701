"""The published schema of a strategy's kind, looked up once."""

from __future__ import annotations

from functools import cache

from chalicelib.apimachinery import schema
from chalicelib.registry.strategy import Strategy


def schema_of(strategy: Strategy) -> schema.Type | None:
    """Return the type of a strategy's kind."""
    return strategy.own_type() or _find(strategy.group, strategy.version, strategy.kind)


@cache
def _find(group: str, version: str, kind: str) -> schema.Type | None:
    return schema.find_type(group, version, kind)
