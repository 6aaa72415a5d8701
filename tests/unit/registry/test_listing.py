"""How much of a store a list by labels reads."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.rules.selectors import parse_labels
from chalicelib.registry.listing import list_page
from chalicelib.registry.options import ListOptions
from chalicelib.storage.base import Page
from tests.memory_storage import MemoryStorage

PODS = "/registry/pods/ns/"
STORED, LIMIT = 300, 2


class Counting(MemoryStorage):
    """A store, with an index of labels or without, that counts what is listed."""

    def __init__(self, *, indexes_labels: bool) -> None:
        super().__init__()
        self.indexes_labels = indexes_labels
        self.listed = 0

    def list(
        self, prefix: str, *, limit: int | None = None, start_key: str | None = None, revision: int | None = None
    ) -> Page:
        page = super().list(prefix, limit=limit, start_key=start_key, revision=revision)
        self.listed += len(page.items)
        return page


@pytest.mark.parametrize(
    ("indexes_labels", "limit", "listed"), [(False, LIMIT, 100), (False, 0, 300), (True, LIMIT, 300)]
)
def test_a_page_by_labels_reads_no_more_than_the_store_has_to(*, indexes_labels: bool, limit: int, listed: int) -> None:
    storage = Counting(indexes_labels=indexes_labels)
    for number in range(STORED):
        metadata = {"name": f"p{number}", "uid": f"u{number}", "labels": {"app": "x"}}
        storage.create(f"{PODS}p{number:03}", {"metadata": metadata})

    page = list_page(storage, PODS, ListOptions(labels=parse_labels("app=x"), limit=limit), lambda _: True)

    assert len(page.items) == (limit or STORED)
    assert storage.listed == listed  # by an index the store itself reads what it returns
