"""AWS's clients, whose calls end, their second try included, before those who wait for an answer give up.

Spark's client waits ten seconds. What standard retries wait between two tries is at most a second before the second
(botocore, "Retries": a random part of 2 to the power of the retry).
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

CONNECT_SECONDS = 1  # to an endpoint of the same region: longer means that it is not there
READ_SECONDS = 3
ATTEMPTS = 2

_making = threading.Lock()  # a session makes clients for one thread at a time


def aws_client(service: str, region: str, **more: Any) -> Any:  # Any: what botocore makes and takes
    """Return a client of a service in a region, with further options of botocore's Config. Safe from many threads."""
    from botocore.config import Config  # lazy: nothing but the extra `aws` brings it

    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        **more,
    )
    with _making:
        return _session().create_client(service, region_name=region, config=limits)


@cache
def _session() -> Any:
    """Return botocore's session, without boto3's around it, whose import takes as long as two clients."""
    from botocore.session import get_session

    from chalicelib.aws_models import MODELS

    session = get_session()
    session.register_component("data_loader", MODELS)
    return session
