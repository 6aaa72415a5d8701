"""The administrator's token in AWS Secrets Manager or SSM: read at first use, and again every few minutes."""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Callable

from chalicelib.apimachinery.rules.status import unavailable
from chalicelib.endpoints.http.request_info import User
from chalicelib.secret_value import SecretUnreadable

LOG = logging.getLogger(__name__)

KEEP_SECONDS = 300.0  # how long a replaced token may still work
RETRY_SECONDS = 10.0  # wrong tokens must not cause a call to AWS each


class SecretToken:
    """A TokenAuthenticator for one user, whose token `read` gets. Safe to call from many threads."""

    def __init__(self, user: User, read: Callable[[], str], *, monotonic: Callable[[], float]) -> None:
        self._user = user
        self._read = read
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._token = ""  # as it was last read; empty after a failure
        self._until = -1.0

    def find_user(self, token: str) -> User | None:
        """Return the user if the token is theirs. Raises 503 while the secret cannot be read."""
        with self._lock:
            if self._monotonic() >= self._until:
                try:
                    self._token, keep_seconds = self._read(), KEEP_SECONDS
                except SecretUnreadable as error:
                    LOG.error("administrator's token: %s", error)
                    self._token, keep_seconds = "", RETRY_SECONDS
                self._until = self._monotonic() + keep_seconds
            known = self._token
        if not known:
            raise unavailable("the administrator's token cannot be read now; see the log")
        return self._user if hmac.compare_digest(known.encode(), token.encode()) else None
