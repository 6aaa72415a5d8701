"""Reading a large store page by page, decoding only what the text says is worth it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chalicelib.storage.base import Storage, StoredObject
from chalicelib.storage.keys import prefix

PAGE = 500  # objects read at once, which bounds the memory of a sweep

# Most pods of a large store have ended; decoding them all each time would cost the most by far.
ENDED_POD = re.compile(r'"phase":\s*"(?:Succeeded|Failed)"')
DELETING = '"deletionTimestamp"'


def paged(storage: Storage, resource: str) -> Iterator[StoredObject]:
    """Yield the stored objects of a resource, reading a page at a time."""
    start_key: str | None = None
    while True:
        page = storage.list(prefix(resource), limit=PAGE, start_key=start_key)
        yield from page.items
        if page.next_key is None:
            return
        start_key = page.next_key
