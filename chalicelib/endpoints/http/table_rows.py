"""The rows of Tables as text, each made once for as long as it says the same.

kubectl and the tools around it ask for the same Table again and again. What a row tells changes when its object is
written, and with the ages in it, which are told in steps: seconds at first, days in the end.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.rules import table
from chalicelib.apimachinery.rules.meta import human_duration
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.endpoints.http.responses import Representation, dumps
from chalicelib.registry.registry import Registry
from chalicelib.storage.base import StoredObject

KEPT_CHARS = 8 * 1024 * 1024  # of all rows: some ten thousand


@dataclass(frozen=True, slots=True)
class _Row:
    """A row as text, of an object's revision and as long as the times in it are so long ago.

    Where a list must be short its objects are less than what is stored, so the length of their text counts, too.
    """

    revision: int
    length: int
    times: Sequence[datetime]
    ages: Sequence[str]
    text: str


class TableRows:
    """Rows that have been made. Safe to call from many threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: dict[tuple[str, str, str, str, str], _Row] = {}
        self._chars = 0

    def text(self, registry: Registry, stored: StoredObject, how: Representation, include: str, now: datetime) -> str:
        """Return an object's row; `include` is what it brings of the object: None, Metadata or Object."""
        strategy = registry.strategy
        name = (strategy.api_version, strategy.kind, stored.key, include, how.shape_version)
        kept = self._kept.get(name)
        is_same = kept is not None and (kept.revision, kept.length) == (stored.revision, len(stored.json))
        if kept and is_same and kept.ages == _ages(kept.times, now):
            return kept.text
        obj = registry.typed(stored)
        cells, conditions = strategy.cells(obj, now), strategy.row_conditions(obj)
        text = dumps(table.row(cells, conditions, obj, include_object=include, version=how.shape_version))
        shown = strategy.times_shown(obj)
        if shown is not None:
            times = [moment for each in shown if (moment := find_time(each)) is not None]
            self._keep(name, _Row(stored.revision, len(stored.json), times, _ages(times, now), text))
        return text

    def _keep(self, name: tuple[str, str, str, str, str], row: _Row) -> None:
        with self._guard:
            before = self._kept.get(name)
            self._chars += len(row.text) - (len(before.text) if before else 0)
            if self._chars > KEPT_CHARS:
                self._kept.clear()
                self._chars = len(row.text)
            self._kept[name] = row


def _ages(times: Sequence[datetime], now: datetime) -> list[str]:
    return [human_duration(now - each) for each in times]
