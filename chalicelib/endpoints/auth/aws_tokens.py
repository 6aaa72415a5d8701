"""Tokens that AWS vouches for: IAM's, and the administrator's in Secrets Manager or SSM.

An IAM token is `aws eks get-token`'s, a presigned STS GetCallerIdentity that proves who signed it.

Each check answers a known attack on such tokens (a URL of one's own, smuggled parameters, a token made for another
cluster, an old one). They are those of aws-iam-authenticator, pkg/token (v0.7). Reference for the token:
Amazon EKS User Guide, "Grant IAM users access to Kubernetes with EKS"; STS API Reference, GetCallerIdentity.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from chalicelib.apimachinery.rules.status import unauthorized, unavailable
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.requests import AUTHENTICATED, User
from chalicelib.secret_value import SecretUnreadable

LOG = logging.getLogger(__name__)

PREFIX = "k8s-aws-v1."
# Of a token. The authenticator takes half of that, but AWS bounds the length of a session's own token nowhere (STS API
# Reference, Credentials, 2026), and API Gateway takes 10,240 bytes of headers.
MAX_BYTES = 8 * 1024
CLUSTER_HEADER = "x-k8s-aws-id"
MAX_EXPIRES_SECONDS = 900
VALIDITY = timedelta(minutes=15)  # from X-Amz-Date on, whatever X-Amz-Expires says
CLOCK_SKEW = timedelta(minutes=5)
PARAMETERS = frozenset(
    (
        "action",
        "version",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    )
)
STS_HOST = re.compile(r"sts(\.[a-z]{2}(-[a-z]+)+-\d)?\.amazonaws\.com(\.cn)?")
ASSUMED_ROLE = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/(.+)")
CACHED_TOKENS = 1000

KEEP_SECONDS = 300.0  # how long a replaced token may still work
RETRY_SECONDS = 10.0  # wrong tokens must not cause a call to AWS each
AskSts = Callable[[str, Mapping[str, str]], JSON]  # (URL, headers) -> GetCallerIdentityResult; ValueError


@dataclass(frozen=True, slots=True)
class MappedArn:
    """The user and groups that an ARN is mapped to."""

    arn: str
    username: str
    groups: tuple[str, ...]


class TokenRefused(ValueError):
    """The token is of this kind but invalid; str() says why, for the log only."""


def checked_url(token: str, *, now: datetime) -> tuple[str, datetime]:
    """Return the presigned URL in a token and when the token ends. Raises TokenRefused.

    The cluster's name is no part of it: it is sent as the signed header, so a token for another fails at STS.
    """
    url, query = _sts_url(token)
    parameters = _parameters(query)
    if parameters.get("action") != "GetCallerIdentity":
        raise TokenRefused("not GetCallerIdentity")
    if CLUSTER_HEADER not in parameters.get("x-amz-signedheaders", "").lower().split(";"):
        raise TokenRefused("not signed for a cluster")
    try:
        expires = int(parameters.get("x-amz-expires", ""))
        signed = datetime.strptime(parameters.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise TokenRefused("no date or no expiry") from error
    if not 0 <= expires <= MAX_EXPIRES_SECONDS:
        raise TokenRefused("an expiry beyond 15 minutes")
    if now >= signed + VALIDITY or signed > now + CLOCK_SKEW:
        raise TokenRefused("expired, or signed in the future")
    return url, signed + VALIDITY


def _sts_url(token: str) -> tuple[str, str]:
    """Return the URL in a token, which is one of STS, and its query."""
    if len(token) > MAX_BYTES:
        raise TokenRefused("too long")
    encoded = token.removeprefix(PREFIX)
    try:
        url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        parts = urlsplit(url)
        port = parts.port
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise TokenRefused("not a URL in base64") from error
    if parts.scheme != "https" or parts.username or parts.password or port not in (None, 443):
        raise TokenRefused("not an https URL of AWS")
    if not STS_HOST.fullmatch(parts.hostname or "") or parts.netloc.lower() != parts.hostname:
        raise TokenRefused("not an STS host")
    if parts.path != "/" or parts.fragment:
        raise TokenRefused("not STS's path")
    return url, parts.query


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=len(PARAMETERS))
    except ValueError as error:
        raise TokenRefused("a query that cannot be read") from error
    for name, value in pairs:
        lower = name.lower()
        if lower not in PARAMETERS:
            raise TokenRefused(f"parameter {lower!r} is not allowed")
        if lower in found:
            raise TokenRefused(f"parameter {lower!r} comes twice")
        found[lower] = value
    return found


def canonical_arn(arn: str) -> str:
    """Return the role's ARN for that of an assumed role's session; any other ARN as it is.

    A role's path is not in its sessions' ARNs: map such roles without their path.
    """
    match = ASSUMED_ROLE.fullmatch(arn)
    return f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}" if match else arn


def parse_mappings(text: str) -> tuple[MappedArn, ...]:
    """Return the mapped ARNs: a JSON list of {arn, username, groups}. Raises ValueError."""
    try:
        return tuple(
            MappedArn(entry["arn"], entry.get("username") or entry["arn"], tuple(entry.get("groups") or ()))
            for entry in json.loads(text or "[]")
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError('not a JSON list of {"arn", "username", "groups"}') from error


class IamTokens:
    """A TokenAuthenticator for IAM identities that are mapped to users. Answers of STS are kept by token hash."""

    def __init__(
        self, mappings: tuple[MappedArn, ...], *, cluster: str, ask_sts: AskSts, clock: Callable[[], datetime]
    ) -> None:
        self._by_arn = {each.arn: each for each in mappings}
        self._cluster = cluster
        self._ask_sts = ask_sts
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[datetime, User]] = {}

    def find_user(self, token: str) -> User | None:
        """Return the token's user, None if it is not an IAM token. Raises 401 for an invalid one."""
        if not token.startswith(PREFIX):
            return None
        now, mark = self._clock(), hashlib.sha256(token.encode()).digest()
        with self._lock:
            end, user = self._known.get(mark, (now, None))
        if user is not None and now < end:
            return user
        try:
            signer = signer_of(token, self._cluster, self._ask_sts, now=now)
            mapping = self._by_arn.get(canonical_arn(signer.arn))
            if mapping is None:
                raise TokenRefused(f"{canonical_arn(signer.arn)} is mapped to nobody")
        except TokenRefused as error:
            LOG.info("IAM token refused reason=%s", error)
            raise unauthorized() from error
        extra = {"arn": (signer.arn,), "canonicalArn": (mapping.arn,)}
        user = User(mapping.username, (*mapping.groups, AUTHENTICATED), signer.user_id, extra)
        with self._lock:
            if len(self._known) >= CACHED_TOKENS:
                self._known.clear()
            self._known[mark] = (signer.until, user)
        return user


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has signed a token, as STS says, and until when the token is good."""

    arn: str
    user_id: str
    until: datetime


def signer_of(token: str, cluster: str, ask: AskSts, *, now: datetime) -> Signer:
    """Return who has signed a token for a cluster, by a request to STS. Raises TokenRefused."""
    url, end = checked_url(token, now=now)
    try:
        identity = ask(url, {CLUSTER_HEADER: cluster, "accept": "application/json"})
        return Signer(str(identity["Arn"]), str(identity["UserId"]), end)
    except (ValueError, KeyError, TypeError) as error:
        raise TokenRefused(f"STS did not confirm it: {error}") from error


def ask_sts(url: str, headers: Mapping[str, str]) -> JSON:
    """Return STS's answer to a presigned URL, redirects refused.

    Raises 503 while STS does not answer or has too much to do, ValueError for anything else but a 200.
    AWS_ENDPOINT_URL_STS names another place for STS, as it does to boto3 (AWS SDKs and Tools Reference Guide, "Service-
    specific endpoints", 2026): a VPC endpoint, an emulator.
    """
    import urllib3  # lazy, and there wherever boto3 is

    if endpoint := os.environ.get("AWS_ENDPOINT_URL_STS"):
        parts = urlsplit(url)
        url, headers = f"{endpoint.rstrip('/')}/?{parts.query}", {**headers, "host": parts.netloc}
    with urllib3.PoolManager(timeout=urllib3.Timeout(total=5.0), retries=False) as pool:
        try:
            answer = pool.request("GET", url, headers=dict(headers), redirect=False)
        except urllib3.exceptions.HTTPError as error:
            LOG.warning("STS does not answer: %s", type(error).__name__)
            raise unavailable("AWS' STS, which says who has signed a token, does not answer now") from error
    if answer.status >= 500 or b"Throttling" in answer.data:
        raise unavailable("AWS' STS, which says who has signed a token, has too much to do now")
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    document = json.loads(answer.data)
    result: JSON = document["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
    return result


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
