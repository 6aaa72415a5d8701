"""PublicUrl: where this API is reached from outside, known from a setting or from the requests it gets.

An API Gateway's address exists only once it is deployed, so the first request tells it; it is kept in the store
for those functions (the schedule's) that no request reaches.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyExists, KeyNotFound, Storage, StorageError
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update

PLACE = object_key("sparkanywhere-urls", None, "api")


class PublicUrl:
    """The URL that pods and tasks use. A configured one wins. Safe to call from many threads."""

    def __init__(self, storage: Storage, configured: str, new_uid: Callable[[], str]) -> None:
        self._storage = storage
        self._configured = configured
        self._new_uid = new_uid
        self._seen = ""

    def get(self) -> str:
        """Return the URL without a slash at its end, "" while it is unknown."""
        if self._configured or self._seen:
            return (self._configured or self._seen).rstrip("/")
        try:
            self._seen = str(self._storage.get(PLACE).object()["url"])
        except KeyNotFound:
            return ""
        return self._seen

    def saw(self, url: str) -> None:
        """Take note of the URL that a request came to; stored when it is new. Never raises."""
        if self._configured or not url or url == self._seen:
            return
        self._seen = url
        try:
            self._keep(url)
        except StorageError:
            return  # the next function to see a request keeps it

    def _keep(self, url: str) -> None:
        def renamed(obj: JSON) -> JSON:
            return {**obj, "url": url}

        try:
            guaranteed_update(self._storage, PLACE, renamed)
        except KeyNotFound:
            try:
                self._storage.create(PLACE, {"metadata": {"name": "api", "uid": self._new_uid()}, "url": url})
            except KeyExists:
                guaranteed_update(self._storage, PLACE, renamed)
