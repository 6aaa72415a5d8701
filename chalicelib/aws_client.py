"""boto3 clients whose calls end, their second try included, before those who wait for an answer give up.

Spark's client waits ten seconds. What standard retries wait between two tries is at most a second before the second
(botocore, "Retries": a random part of 2 to the power of the retry).
"""

from __future__ import annotations

import threading
from typing import Any

CONNECT_SECONDS = 1  # to an endpoint of the same region: longer means that it is not there
READ_SECONDS = 3
ATTEMPTS = 2

_making = threading.Lock()  # boto3's own session, which all of these are made by, takes one thread at a time


def boto3_client(service: str, region: str, **more: Any) -> Any:  # Any: what boto3 makes and takes
    """Return a client of a service in a region, with further options of botocore's Config. Safe from many threads."""
    import boto3  # lazy: Lambda's cold start pays for it only where it is needed
    from botocore.config import Config

    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        **more,
    )
    make: Any = boto3.client  # its stubs know services by literal names only
    with _making:
        return make(service, region_name=region, config=limits)
