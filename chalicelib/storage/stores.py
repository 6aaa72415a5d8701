"""Finds stores by name, and imports only the one that is asked for.

A store is a package beside this module: <name>/declaration.py has DECLARATION.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib import storage
from chalicelib.storage.base import Storage

DEFAULT = "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDeclaration:
    """What a store declares of itself; reading it loads no backend.

    `open` takes the control plane's own folder, which may not exist yet, and an instance of `settings`, a dataclass as
    a provider's. It raises OSError where a local store cannot be kept.
    """

    open: Callable[[Path, Any], Storage]
    settings: type | None = None


@cache
def names() -> tuple[str, ...]:
    """Return the names of all stores, the default first."""
    found = [each.name for each in pkgutil.iter_modules(storage.__path__) if each.ispkg]
    return tuple(sorted(found, key=lambda name: (name != DEFAULT, name)))


@cache
def find(name: str) -> StoreDeclaration:
    """Return the declaration of one of the stores that names() returns."""
    module = importlib.import_module(f"{storage.__name__}.{name}.declaration")
    found: StoreDeclaration = module.DECLARATION
    return found
