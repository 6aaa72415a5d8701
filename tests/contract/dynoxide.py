"""dynoxide: a DynamoDB by others, which a public conformance suite holds against the service itself.

`make test-dynoxide` builds it (dynoxide-rs 3.2 of crates.io, MIT or Apache-2.0) and runs the contract on it,
races and walks over crashes too.

What it answers otherwise than our fake (fake_dynamodb.py) or moto 5, and whom the documentation bears out; "refused"
is a ValidationException:

    request                                       dynoxide            fake        moto        documented
    a transaction above 4 MB                      refused             taken       taken       rejected (1)
    a token of a transaction, with other items    mismatch error      first wins  taken       mismatch error (2)
    BatchGetItem without keys                     refused             empty       empty       not valid (3)
    a key that is an empty text                   refused             taken       refused     not valid (4)
    a sort key above 1,024 bytes                  refused             taken       refused     not valid (4)
    a number of more than 38 digits               refused             taken       taken       an exception (5)
    Query with Limit 0                            refused             breaks      breaks      not valid (6)
    BETWEEN with its bounds exchanged             refused             breaks      empty       not said (7)
    a read while a transaction is carried out     all or nothing      item by     item by     item by item (8)
                                                                      item        item

(1) API Reference, TransactWriteItems: "The aggregate size of the items in the transaction exceeds 4 MB" is among what
the whole request is rejected for; by which error is not said. (2) The same, ClientRequestToken, within ten minutes:
IdempotentParameterMismatch. (3) API Reference, BatchGetItem: RequestItems and its Keys have 1 item at least.
(4) Developer Guide, "Constraints in Amazon DynamoDB": key values have 1 byte at least, sort keys 1,024 at most. (5) The
same, "Data types", Number. (6) API Reference, Query: Limit is 1 at least. (7) API Reference, Query, says only when it
is true. The service answers a ValidationException, "The BETWEEN operator requires upper bound to be greater than or
equal to lower bound", as issue 99 of github.com/ExtendDB/extenddb quotes it. (8) Developer Guide, "Amazon DynamoDB
Transactions: How it works", isolation levels: one item is serializable with a transaction, and BatchGetItem, Query and
Scan as a whole are not: read-committed, each item for itself. For what is not valid, the pages name no error of their
own; "Error handling with DynamoDB" has ValidationException for it.

The last is why the fake alone shows what half-visible transactions do to lists and watches. None of the others is ever
asked for by the store; that it would be refused is what dynoxide is for.
"""

from __future__ import annotations

import socket
import subprocess
from contextlib import closing
from pathlib import Path

import requests

from tests.waiting import until

BINARY = Path(__file__).resolve().parents[2] / ".make" / "dynoxide" / "bin" / "dynoxide"
START_SECONDS = 30.0
END_SECONDS = 10.0


def missing() -> str:
    """Return why it can't be used, in one sentence; empty if it can."""
    return "" if BINARY.exists() else "dynoxide is not built: make test-dynoxide does, with cargo"


class Dynoxide:
    """A server with a database of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        with closing(
            socket.create_server(("127.0.0.1", 0))
        ) as probe:  # asked for port 0, it does not say which it took
            port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "dynoxide.log").open("wb")
        self._process = subprocess.Popen(
            [BINARY, "serve", "--port", str(port), "--log", "quiet"], stdout=self._log, stderr=subprocess.STDOUT
        )
        until(self._answers, "dynoxide to answer", seconds=START_SECONDS)

    def close(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait(END_SECONDS)
        self._log.close()

    def _answers(self) -> bool:
        try:
            return requests.get(self.url, timeout=START_SECONDS).status_code < 500
        except requests.ConnectionError:
            return False
