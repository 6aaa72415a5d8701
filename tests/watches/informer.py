"""A client that keeps a copy of a collection by list and watch, as client-go's informer does, and trusts nothing.

It fails if an event comes twice, out of order, or for an object that it cannot be about; if a bookmark goes back; or if
the copy that the events lead to differs from a LIST at the same revision, which is how a gap would show.

One thing is let be where the store says so (chalicelib/storage/dynamodb/list.py): a list may miss an object that
is just being deleted. The same list, asked for again, has it.
"""

from __future__ import annotations

import threading
from collections import Counter
from random import Random

from chalicelib.apimachinery.types import JSON
from tests.api_client import ApiClient, Json

CHECKED_SHARE = 0.25  # of the revisions reached: a LIST costs more than an event
LAG_SHARE = 0.15  # of the watches: they begin late, so that what they ask for may have been compacted
SETTLE_SECONDS = 0.7  # after which nothing of a transaction is still invisible
RETRY_SECONDS = 0.02


class Informer:
    """Watches in a thread of its own from start() until finish(); `counts` tells what it has seen."""

    def __init__(
        self,
        api: ApiClient,
        path: str,
        query: dict[str, str],
        seed: object,
        *,
        lag_seconds: float,
        misses_deletions: bool,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._api, self._path, self._query = api, path, query
        self._lag_seconds, self._misses_deletions = lag_seconds, misses_deletions
        self._draw = Random(str(seed))
        self._stopping = threading.Event()
        self._copy: dict[str, Json] = {}
        self._revision = 0  # that the copy is of; 0 before the first list
        self._highest = 0  # that was ever seen
        self._final: int | None = None
        self._thread = threading.Thread(target=self._run, name=f"informer {path} {query}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self, revision: int, *, timeout_seconds: float) -> None:
        """Follow on until this last revision, compare, and end. Raises what was found wrong."""
        self._final = revision
        self._thread.join(timeout_seconds)
        self._stopping.set()
        if self.error is not None:
            raise self.error
        assert not self._thread.is_alive(), f"{self} has not come to revision {revision}"

    def __str__(self) -> str:
        return f"{self._thread.name} at {self._revision}: {dict(self.counts)}"

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and not self._is_complete():
                if not self._revision:
                    self._list()
                elif self._draw.random() < LAG_SHARE:
                    self._stopping.wait(self._lag_seconds)
                self._watch()
        except BaseException as error:  # told by finish(), to whoever waits there
            self.error = error

    def _is_complete(self) -> bool:
        """Return whether the copy is that of the last revision, which no event need have reached."""
        if self._final is None or not self._revision:
            return False
        found = self._listed({})
        return found is not None and found[0] >= self._final and found[1] == self._copy

    def _listed(self, query: dict[str, str]) -> tuple[int, dict[str, Json]] | None:
        """Return revision and objects of a LIST, None where the store is out of reach or has compacted them."""
        answer = self._api.request("GET", self._path, query={**self._query, **query})
        if answer.status in (410, 429, 503, 504):
            return None
        assert answer.status == 200, answer.body
        body = answer.json()
        return int(body["metadata"]["resourceVersion"]), {_identity(item): item for item in body["items"]}

    def _list(self) -> None:
        found = self._listed({})
        if found is None:
            self._stopping.wait(RETRY_SECONDS)
            return
        revision, listed = found
        assert revision >= self._highest, f"{self}: a list went back from {self._highest}"
        if self._misses_deletions:
            again = self._settled(revision, listed)
            if again is None:
                return
            listed = again
        self._revision, self._copy = revision, listed
        self._highest = revision
        self.counts["lists"] += 1

    def _settled(self, revision: int, listed: dict[str, Json]) -> dict[str, Json] | None:
        """Return the same list once more, which may have objects that the first one missed, but no others changed."""
        self._stopping.wait(SETTLE_SECONDS)
        found = self._exactly(revision)
        if found is not None:
            stale = {name for name, obj in listed.items() if found.get(name) != obj}
            assert not stale, f"{self}: a list of {revision} had {sorted(stale)} as never since"
        return found

    def _exactly(self, revision: int) -> dict[str, Json] | None:
        found = self._listed({"resourceVersion": str(revision), "resourceVersionMatch": "Exact"})
        assert found is None or found[0] == revision, f"{self}: listed {found and found[0]} for {revision}"
        return found and found[1]

    def _watch(self) -> None:
        options = {"allowWatchBookmarks": "true", "timeoutSeconds": str(self._draw.choice((1, 2, 3)))}
        if not self._revision:
            return
        try:
            for frame in self._api.watch(self._path, resourceVersion=str(self._revision), **self._query, **options):
                if frame is not None and not self._take(frame):
                    return
                if frame is None and self._final is not None:
                    return
        finally:
            self.counts["watches"] += 1

    def _take(self, frame: Json) -> bool:
        """Do what one frame says; return whether others may follow."""
        kind, obj = frame["type"], frame["object"]
        if kind == "ERROR":
            assert obj["code"] in (410, 429, 503, 504), f"{self}: {obj}"
            self.counts[str(obj["code"])] += 1
            self._revision = 0 if obj["code"] == 410 else self._revision
            return False
        revision = int(obj["metadata"]["resourceVersion"])
        if kind == "BOOKMARK":
            assert revision >= self._revision, f"{self}: a bookmark went back to {revision}"
            self.counts["bookmarks"] += 1
        else:
            assert revision > self._revision, f"{self}: {kind} again, or out of order: {revision}"
            name = _identity(obj)
            assert (name in self._copy) == (kind != "ADDED"), f"{self}: {kind} of {name} at {revision}"
            if kind == "DELETED":
                del self._copy[name]
            else:
                self._copy[name] = _plain(obj)
            self.counts["events"] += 1
        self._revision = revision
        self._highest = max(self._highest, revision)
        if self._draw.random() < CHECKED_SHARE:
            self._compare()
        return True

    def _compare(self) -> None:
        found = self._exactly(self._revision)
        if found is not None and found != self._copy and self._misses_deletions:
            found = self._settled(self._revision, found)
        if found is None:
            return
        differing = {name for name in {*found, *self._copy} if found.get(name) != self._copy.get(name)}
        pairs = {name: (self._copy.get(name), found.get(name)) for name in sorted(differing)}
        assert not pairs, f"{self}: the copy differs from a list: {str(pairs)[:2000]}"
        self.counts["compared"] += 1


def _identity(obj: JSON) -> str:
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def _plain(obj: JSON) -> JSON:
    """Return an object as lists have it: without kind and version."""
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
