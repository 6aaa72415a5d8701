"""What the store `dynamodb` declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.extras import lacking
from chalicelib.storage.base import Storage, StorageUnavailable
from chalicelib.storage.stores import StoreDeclaration


@dataclass(frozen=True, slots=True)
class DynamoSettings:
    """The settings that this store alone has."""

    table: str = field(default="sparkanywhere", metadata={"doc": "DynamoDB table"})
    region: str = field(default="us-east-1", metadata={"doc": "its region: one variable for all that is on AWS"})


def open_store(_state: Path, settings: DynamoSettings) -> Storage:
    """Return the store in the table. Raises StorageUnavailable where pynamodb is not installed."""
    if words := lacking("aws"):
        raise StorageUnavailable(words)
    from chalicelib.storage.dynamodb.storage import DynamoStorage

    return DynamoStorage(settings.table, region=settings.region)


DECLARATION = StoreDeclaration(open=open_store, settings=DynamoSettings)
