"""A log that is answered at once fits into what Lambda answers, however its letters are written in JSON."""

from __future__ import annotations

import json

import pytest

from chalicelib.endpoints.verbs.logs import bounded


@pytest.mark.parametrize("line", ["plain\n", '{"a": "quoted"}\n', "\t\t\\\n", "лог\n"])
def test_a_log_is_cut_to_whole_lines_that_fit_in_json(line: str) -> None:
    kept = b"".join(bounded(iter([line.encode()] * 1000), 2000)).decode()

    assert len(json.dumps(kept)) <= 2000 + len('""')
    assert len(json.dumps(kept + line)) > 2000 + len('""')
    assert kept.endswith("\n")


def test_a_short_log_is_whole() -> None:
    assert list(bounded(iter([b"a\n", b"b\n"]), 100)) == [b"a\n", b"b\n"]
