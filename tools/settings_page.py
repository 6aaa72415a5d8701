"""Write docs/settings.md, the page of every setting, from the code: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from chalicelib.config import PREFIX, Settings
from chalicelib.providers import registry
from chalicelib.storage import stores

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """# Settings

<!-- Written by `make docs` from chalicelib/config.py and the providers' declarations; a test compares them. -->

Environment variables of the control plane. A local server (`make serve`, `chalice local`) sets some of them from its
own [options](local-server.md); on AWS they are made from Terraform's outputs (`make config`). With an invalid value the
start fails with one sentence that names the variable.
"""
TABLE = """
| variable | takes | default | meaning |
|---|---|---|---|
"""

# What these take is found in the packages.
_CHOICES = {
    "provider": ", ".join(f"`{name}`" for name in registry.built_in()) + ", or a module's dotted name",
    "storage": ", ".join(f"`{name}`" for name in stores.names()),
}


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD, _table(Settings)]
    own = [(f"Provider {name}", registry.find(name).settings) for name in registry.built_in()]
    own += [(f"Store {name}", stores.find(name).settings) for name in stores.names()]
    for title, kind in own:
        if kind:
            parts += [f"\n## {title}\n", _table(kind)]
    return "".join(parts)


def _table(kind: type) -> str:
    return TABLE + "".join(f"{row}\n" for row in rows(kind))


def rows(kind: type) -> Iterator[str]:
    """Yield a row for each setting, in the order of the code."""
    types = get_type_hints(kind)
    for each in fields(kind):
        cells = [
            f"`{PREFIX}{each.name.upper()}`",
            _CHOICES.get(each.name) or _takes(types[each.name]),
            _default(each),
            each.metadata["doc"],
        ]
        yield f"| {' | '.join(cells)} |"


def _takes(kind: Any) -> str:  # Any: a type, or a Literal of texts
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    return {bool: "`1` or `0`", int: "a whole number", float: "a number, 0 or more"}.get(kind, "text")


def _default(each: Field[Any]) -> str:
    if isinstance(each.default, bool):
        return f"`{int(each.default)}`"
    return f"`{each.default}`" if each.default != "" else "(empty)"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name} is written")
