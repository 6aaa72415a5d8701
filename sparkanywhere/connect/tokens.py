"""Tokens of Spark Connect's users: a service account each, for whom the control plane signs what opens this door alone.

Their audience is not the API's, so no such token gets into that, and their accounts need no rights. Who checks one asks
the control plane: no key leaves it, and deleting the service account takes all its tokens away. Reference:
kubernetes.io/docs/reference, TokenRequest and TokenReview (v1.36).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.rules.time import parse_time
from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.connect.server import TokenRefused

AUDIENCE = "spark-connect"  # those that begin with our own name are the control plane's
PREFIX = "connect-"  # of the service accounts
REVIEW_SECONDS = 60.0  # for so long what the control plane said of a token is believed
KEPT_REVIEWS = 1000
EXISTS = 409
ANOTHER = "`sparkanywhere connect` prints a URL with a new token."
NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"  # RFC 1123, as Kubernetes takes it
NAME_LIMIT = 63 - len(PREFIX)


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and when it ends to be one."""

    token: str
    expires_at: datetime


def account_of(user: str) -> str:
    """Return the service account of a person, of whose name only the case may change: two must not become one.

    Raises ValueError for a name that Kubernetes does not take.
    """
    name = user.lower()
    if len(name) > NAME_LIMIT or not re.fullmatch(NAME, name):
        raise ValueError(f"{user!r} is not 1 to {NAME_LIMIT} of a-z, 0-9, '-' and '.', a letter or digit at each end")
    return f"{PREFIX}{name}"


def issue(client: KubeClient, namespace: str, account: str, *, seconds: int) -> Issued:
    """Return a token of a service account, which is made if it is not there. Raises ApiError, ApiUnreachable.

    Control planes cut what is asked for (ours to 24 hours) and refuse less than ten minutes.
    """
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    try:
        client.create(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
    except ApiError as error:
        if error.code != EXISTS:
            raise
    made = client.create(
        f"{accounts}/{account}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [AUDIENCE], "expirationSeconds": seconds},
        },
    )
    return Issued(made["status"]["token"], parse_time(made["status"]["expirationTimestamp"]))


class TokenReviews:
    """Tells whose token that is, by asking the control plane of one namespace. One thread at a time may find_user()."""

    def __init__(
        self, client: Callable[[], KubeClient], namespace: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`client` is called for every question: how a control plane is reached may change meanwhile."""
        self._client = client
        self._account = f"system:serviceaccount:{namespace}:"
        self._monotonic = monotonic
        self._believed: dict[str, tuple[str, float]] = {}  # by token: its user, until when

    def find_known(self, token: str) -> str:
        """Return the service account of a token that is believed, else "". Safe beside a find_user()."""
        user, until = self._believed.get(token, ("", 0.0))
        return user if self._monotonic() < until else ""

    def find_user(self, token: str) -> str:
        """Return the service account of a token. Raises TokenRefused, and ApiError or ApiUnreachable."""
        if not token:
            raise TokenRefused(f"There is no token: {ANOTHER}")
        if user := self.find_known(token):
            return user
        self._believed.pop(token, None)
        status = self._review(token)
        name = str(status.get("user", {}).get("username", ""))
        if not status.get("authenticated"):
            raise TokenRefused(f"The token is refused: {status.get('error') or 'not valid'}. {ANOTHER}")
        if not name.startswith(self._account):
            raise TokenRefused(f"The token is one of another namespace: {ANOTHER}")
        user = name.removeprefix(self._account)
        if len(self._believed) >= KEPT_REVIEWS:
            self._believed.clear()
        self._believed[token] = user, self._monotonic() + REVIEW_SECONDS
        return user

    def _review(self, token: str) -> JSON:
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        status: JSON = self._client().create("/apis/authentication.k8s.io/v1/tokenreviews", asked).get("status") or {}
        return status
