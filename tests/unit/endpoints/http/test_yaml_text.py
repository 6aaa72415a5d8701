"""YAML answers look as those of a real server, and mean what was said."""

from __future__ import annotations

import pytest
import yaml

from chalicelib.endpoints.http.yaml_text import yaml_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-01-02T03:04:05Z", '"2026-01-02T03:04:05Z"'),
        ("12", '"12"'),
        ("true", '"true"'),
        ("y", '"y"'),
        ("", '""'),
        ("busybox:1.36", "busybox:1.36"),
        ("a: b", "'a: b'"),
        (12, "12"),
        (None, "null"),
        ("a\nb\n", "|\n  a\n  b"),
    ],
)
def test_scalars_have_the_styles_of_go(value: object, text: str) -> None:
    assert yaml_text({"k": value}) == f"k: {text}\n"


def test_what_is_written_reads_back() -> None:
    value = {"a": ["x" * 300, "é", " lead", "tab\there", "#no", "-", "null", "1e3", "0x1f"], "b": {"c": "l1\n\nl2"}}

    assert yaml.safe_load(yaml_text(value)) == value


def test_a_value_that_occurs_twice_is_written_twice() -> None:
    shared = {"x": 1}

    assert "&" not in yaml_text({"a": shared, "b": shared})
