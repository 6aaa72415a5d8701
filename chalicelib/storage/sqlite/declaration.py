"""What the store `sqlite` declares."""

from __future__ import annotations

from pathlib import Path

from chalicelib.private_folder import make_private
from chalicelib.storage.base import Storage
from chalicelib.storage.stores import StoreDeclaration


def open_store(state: Path, _settings: None) -> Storage:
    """Return the store in a file of the folder."""
    from chalicelib.storage.sqlite.storage import SqliteStorage

    make_private(state)
    return SqliteStorage(state / "objects.sqlite")


DECLARATION = StoreDeclaration(open=open_store)
