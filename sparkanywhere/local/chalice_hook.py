"""Give `chalice local` our options and our server when `chalice.cli` is imported. Standard library alone.

Runs at every start of Python in the environment (sparkanywhere_chalice.pth; from Python 3.15 on the .start
file of the same name, PEP 829), so it must be quick, silent, and unable to break anything: it only puts
a finder before the others, which waits for one module.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_TARGET = "chalice.cli"


class _ChaliceCliFinder:
    """Finds chalice.cli as everybody else does, and lets us see the module once it is loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Return the true spec of chalice.cli with our loader in it; None for every other module.

        Any: importlib's types would have to be imported, at every start of Python.
        """
        if name != _TARGET:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # a loader by shape, see above
        return spec


class _Loader:
    """Loads by the true loader, then extends the module."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        """Leave it to the true loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then extend its `local` command; a failure of ours is a hint and nothing more."""
        self._loader.exec_module(module)
        try:
            from sparkanywhere.local.local_command import extend

            extend(module)
        except Exception as error:  # whatever chalice has changed: its own commands must go on
            print(
                f"sparkanywhere: `chalice local` is left as it ships ({type(error).__name__}: {error}). "
                "Is this chalice 1.34? SPARKANYWHERE_PROVIDER=docker chalice local needs no option.",
                file=sys.stderr,
            )


def install() -> None:
    """Put the finder in place, once. If chalice.cli is imported already, nothing happens."""
    known = (
        type(finder).__name__ for finder in sys.meta_path
    )  # by name: another copy of us may have been first
    if _ChaliceCliFinder.__name__ not in known:
        sys.meta_path.insert(0, _ChaliceCliFinder())


def at_start() -> None:
    """Install the finder and leave no other trace: what the .pth and .start files call.

    Which copy of our package a program imports is for its own path to say, say in another clone's tests.
    """
    install()
    for name in (__name__, __package__ or ""):
        sys.modules.pop(name, None)


def mend_local_server() -> None:
    """Put our server behind a `chalice local` that the hook has not reached, as in a clone not installed.

    app.py calls it when it is imported. Outside `chalice local` nothing happens.
    """
    local = sys.modules.get("chalice.local")
    if local is not None:
        local.create_local_server = _create_local_server  # type: ignore[attr-defined]  # found by name


def _create_local_server(app: Any, config: Any, host: str, port: int) -> Any:
    """Return our server for an app that is imported already; Chalice calls its serve_forever().

    Any: Chalice's types, and ours, are only imported where a server is wanted.
    """
    import os

    from sparkanywhere.local.devserver import CannotStart, open_server
    from sparkanywhere.local.local_settings import LocalOptions

    try:
        return open_server(LocalOptions(host=host, port=port), os.environ, lambda: (app, config))
    except CannotStart as error:
        print(str(error), file=sys.stderr, flush=True)
        os._exit(1)  # under its reloader Chalice asks from a thread, and would go on without a server
