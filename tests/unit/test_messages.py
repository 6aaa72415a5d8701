"""What messages tell people to type works for everybody, from a checkout or from an installed package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from sparkanywhere.project import PROJECT

VERBS = re.findall(r"^([a-z0-9-]+):.*## ", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
MAKE = re.compile(rf"\bmake ({'|'.join(VERBS)})\b")


def texts(source: str) -> Iterator[str]:
    """Yield the strings of a module without its docstrings."""
    tree = ast.parse(source)
    documents = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in documents:
            yield each.value


def test_no_message_names_a_verb_of_the_makefile() -> None:
    found = {
        f"{path.name}: {text}"
        for package in ("chalicelib", "sparkanywhere")
        for path in (PROJECT / package).rglob("*.py")
        for text in texts(path.read_text("utf-8"))
        if MAKE.search(text)
    }

    assert found == set()
    assert MAKE.search("build it with `make image`")
