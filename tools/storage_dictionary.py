"""Writes a dictionary for the texts in DynamoDB: `python -m tools.storage_dictionary FILE`.

It is what one application of Spark 4.3.0 has stored (benchmarks/aws_writes.py), each object once or twice; deflate does
best with what stands last, here executors. A dictionary that is in use must never change: items name it by its
checksum. A new one is another file, put first in chalicelib/storage/dynamodb/compression.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.aws_writes import measure
from chalicelib.storage.base import WatchEvent
from chalicelib.storage.dynamodb.storage import DynamoStorage

# Of each resource the texts to keep, by their place among those that were stored; together under deflate's 32 KB.
ORDER = {
    "namespaces": (-1,),
    "serviceaccounts": (-1,),
    "services": (-1,),
    "endpointslices": (-1,),
    "rolebindings": (-1,),
    "configmaps": (-1,),
    "sparkanywhere-usage": (-1,),
    "podrecords": (0,),
    "events": (-5, -4, -3, -2, -1),
    "pods": (4, 7, 8, 10),
}
STATUS, POD, AFTER_POD = ',"status":{"phase"', '"pod":', '"deletionTime":'


def main(target: str) -> None:
    """Store an application and write the dictionary."""
    texts: dict[str, list[str]] = {}
    transact = DynamoStorage._try_write

    def kept(self: DynamoStorage, writes: object) -> tuple[list[WatchEvent], str]:
        events, why = transact(self, writes)  # type: ignore[arg-type]
        for event in events:
            texts.setdefault(event.key.split("/")[2], []).append(event.json)
        return list(events), why

    DynamoStorage._try_write = kept  # type: ignore[method-assign, assignment]
    measure(1)
    texts["podrecords"] = [text[: text.index(POD)] + text[text.index(AFTER_POD) :] for text in texts["podrecords"]]
    _, waiting, running, _ = (texts["pods"][place] for place in ORDER["pods"])
    chosen = [texts[resource][place] for resource, places in ORDER.items() for place in places]
    for whole in (waiting, running):  # but for their status they are as the last one
        chosen[chosen.index(whole)] = whole[whole.rindex(STATUS) :]
    Path(target).write_text("\n".join(chosen), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1])
