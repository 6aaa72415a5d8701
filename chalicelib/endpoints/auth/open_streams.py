"""OpenStreams: how many streams are open, of one user and in all, wherever they are served.

A stream on AWS holds a function until its end, and an account has few. So who has one is noted in the store, with an
end, since a function that is killed takes nothing back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyExists, Storage, StorageError
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update

KEY = object_key("sparkanywhere-streams", None, "open")


class OpenStreams:
    """Lets `most` streams be open at once, `most_of_user` of them of one user, each for `seconds` at most."""

    def __init__(
        self,
        storage: Storage,
        *,
        most: int,
        most_of_user: int,
        seconds: float,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
    ) -> None:
        self._storage = storage
        self._most, self._most_of_user = most, most_of_user
        self._seconds = seconds
        self._clock = clock
        self._new_uid = new_uid

    def take(self, user: str) -> str | None:
        """Note one stream more of a user; return what release() takes, None if it would be one too many.

        None also where the store did not take the note.
        """
        name, now = self._new_uid(), self._clock()
        mine = {"user": user, "until": format_time(now + timedelta(seconds=self._seconds))}

        def taken(record: JSON) -> JSON | None:
            living = {
                key: each
                for key, each in record["open"].items()
                if (until := find_time(each["until"])) is not None and until > now
            }
            of_user = sum(each["user"] == user for each in living.values())
            if len(living) >= self._most or of_user >= self._most_of_user:
                return None
            return {**record, "open": {**living, name: mine}}

        with suppress(StorageError):
            with suppress(KeyExists):
                if not self._storage.get_all([KEY]):
                    self._storage.create(KEY, {"metadata": {"name": "open", "uid": KEY}, "open": {}})
            if name in guaranteed_update(self._storage, KEY, taken).object()["open"]:
                return name
        return None

    def release(self, name: str) -> None:
        """Take the note of a stream back. May be repeated; one that stays expires."""

        def released(record: JSON) -> JSON:
            return {**record, "open": {key: each for key, each in record["open"].items() if key != name}}

        with suppress(StorageError):
            guaranteed_update(self._storage, KEY, released)
