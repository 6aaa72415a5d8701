"""Finds providers by name, and imports only the declaration of the one that is asked for.

A provider is one of
    a package of ours           providers/<name>/declaration.py has DECLARATION
    an installed package's      an entry point <name> of the group `sparkanywhere.providers` leads to its declaration
    any module                  named by its dotted name, has DECLARATION
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import chalicelib.providers
from chalicelib.providers.declaration import ProviderDeclaration
from chalicelib.providers.prices import PriceList

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DEFAULT = "process"
REFERENCE = "fargate"  # whose list prices say what any pod would cost there
ENTRY_POINTS = "sparkanywhere.providers"


class UnknownProvider(Exception):
    """There is no such provider; str() is a sentence that names those that there are."""


@cache
def built_in() -> tuple[str, ...]:
    """Return the names of our own providers, the default first."""
    found = [each.name for each in pkgutil.iter_modules(chalicelib.providers.__path__) if each.ispkg]
    return tuple(sorted(found, key=lambda name: (name != DEFAULT, name)))


def names() -> tuple[str, ...]:
    """Return the names of all providers that are installed."""
    return (*built_in(), *sorted(_entry_points().keys() - set(built_in())))


@cache
def find(name: str) -> ProviderDeclaration:
    """Return the declaration of a provider, by its name or its module's. Raises UnknownProvider."""
    declaration = known(name)
    if declaration is not None:
        return declaration
    if "." not in name:
        raise UnknownProvider(f"no provider is called {name!r}: take {', '.join(names())}, or a module's dotted name")
    try:
        found = importlib.import_module(name).DECLARATION
    except (ImportError, AttributeError) as error:
        raise UnknownProvider(
            f"{name!r} is not a provider's module ({error}): take one, or {', '.join(names())}"
        ) from error
    if not isinstance(found, ProviderDeclaration):
        raise UnknownProvider(f"DECLARATION of {name!r} is not a ProviderDeclaration")
    return found


@cache
def known(name: str) -> ProviderDeclaration | None:
    """Return the declaration of an installed provider, None for a name from elsewhere. Imports no other module."""
    if name in built_in():
        module = importlib.import_module(f"{chalicelib.providers.__name__}.{name}.declaration")
        found: ProviderDeclaration = module.DECLARATION
        return found
    entry_point = _entry_points().get(name)
    return entry_point.load() if entry_point else None


def declarations(also: Iterable[str] = ()) -> Iterator[ProviderDeclaration]:
    """Yield the declarations of all installed providers, and of those named beside them. Raises UnknownProvider."""
    for name in dict.fromkeys((*names(), *also)):
        yield find(name)


def of_node(node_name: str) -> ProviderDeclaration | None:
    """Return the provider whose node this is: one is called as the provider, others have an architecture behind."""
    return known(node_name) or known(node_name.rpartition("-")[0])


def reference_prices() -> PriceList:
    """Return the price list by which every pod's cost is told, wherever it runs."""
    price_list = find(REFERENCE).price_list
    if price_list is None:
        raise AssertionError(f"provider {REFERENCE} has no price list")
    return price_list()


@cache
def _entry_points() -> dict[str, EntryPoint]:
    from importlib import metadata  # takes 20 ms, which a cold start of a provider of ours is spared

    return {each.name: each for each in metadata.entry_points(group=ENTRY_POINTS)}
