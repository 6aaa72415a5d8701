"""Finds providers by name, and imports only the declaration of the one that is asked for.

A provider is one of
    a package of ours           providers/<name>/declaration.py has DECLARATION
    an installed package's      an entry point <name> of the group `sparkanywhere.providers` leads to its declaration
    any module                  named by its dotted name, has DECLARATION
"""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from chalicelib import providers
from chalicelib.providers.declaration import ProviderDeclaration
from chalicelib.providers.prices import PriceList

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

LOG = logging.getLogger(__name__)

DEFAULT = "process"
REFERENCE = "fargate"  # whose list prices say what any pod would cost there
ENTRY_POINTS = "sparkanywhere.providers"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class UnknownProvider(Exception):
    """There is no such provider; str() is a sentence that names those that there are."""


@cache
def built_in() -> tuple[str, ...]:
    """Return the names of our own providers, the default first."""
    packages = [each.name for each in pkgutil.iter_modules(providers.__path__) if each.ispkg]
    found = [name for name in packages if os.path.exists(os.path.join(providers.__path__[0], name, "declaration.py"))]
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
    return _checked(name, lambda: importlib.import_module(name).DECLARATION)


@cache
def known(name: str) -> ProviderDeclaration | None:
    """Return the declaration of an installed provider, None for a name from elsewhere. Imports no other module."""
    if name in built_in():
        module = importlib.import_module(f"{providers.__name__}.{name}.declaration")
        found: ProviderDeclaration = module.DECLARATION
        return found
    entry_point = _entry_points().get(name)
    return _checked(name, entry_point.load) if entry_point else None


def _checked(name: str, load: Callable[[], object]) -> ProviderDeclaration:
    """Return a declaration of somebody else's. Raises UnknownProvider for whatever is wrong with it."""
    try:
        found = load()
    except Exception as error:  # it is not our code: any error may come of it
        why = f"{type(error).__name__}: {error}"
        raise UnknownProvider(f"provider {name!r} cannot be loaded ({why}); there are {', '.join(names())}") from error
    if not isinstance(found, ProviderDeclaration) or not _LABEL.fullmatch(found.name):
        raise UnknownProvider(f"provider {name!r} does not lead to a ProviderDeclaration whose name is a DNS label")
    return found


def declarations(also: Iterable[str] = ()) -> Iterator[ProviderDeclaration]:
    """Yield the declarations of all installed providers, and of those named beside them.

    An installed one that cannot be loaded is left out, with a line in the log. Raises UnknownProvider for the others.
    """
    wanted = tuple(also)
    for name in dict.fromkeys((*names(), *wanted)):
        try:
            yield find(name)
        except UnknownProvider as error:
            if name in wanted:
                raise
            LOG.warning("%s", error)


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
