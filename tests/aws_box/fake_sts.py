"""STS's GetCallerIdentity by a presigned URL: the signature is checked as AWS does, by what the signer's key gives.

IAM User Guide, "Create a signed AWS API request" (2026), written from it with hmac alone, so that it shares no code
with what signs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from urllib.parse import parse_qsl, quote, urlsplit

from tests.aws_box.wire import Answer, HttpServer, Request

CLOCK_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of one session of a role."""

    arn: str
    key_id: str
    secret: str
    token: str

    def as_ecs_gives_them(self) -> bytes:
        """Return the document that a task's credential endpoint answers with."""
        return json.dumps(
            {
                "RoleArn": self.arn,
                "AccessKeyId": self.key_id,
                "SecretAccessKey": self.secret,
                "Token": self.token,
                "Expiration": "2099-01-01T00:00:00Z",
            },
            indent=1,
        ).encode()


class FakeSts:
    """Knows sessions by their access key; serves at `url`."""

    def __init__(self) -> None:
        self._known: dict[str, Credentials] = {}
        self._lock = threading.Lock()
        self._server = HttpServer(self._serve)
        self.url = self._server.url

    def session(self, arn: str) -> Credentials:
        """Return credentials for a session by this ARN, the same ones each time."""
        mark = hashlib.sha256(arn.encode()).hexdigest()
        made = Credentials(arn, f"ASIA{mark[:16].upper()}", f"{mark[:20]}/+{mark[20:38]}", f"{mark}//++{mark}==")
        with self._lock:
            self._known[made.key_id] = made
        return made

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def _serve(self, request: Request) -> Answer:
        query = urlsplit(request.target).query
        given = dict(parse_qsl(query, keep_blank_values=True))
        with self._lock:
            known = self._known.get(given.get("X-Amz-Credential", "").split("/")[0])
        if known is None or not is_signed(request, known, now=datetime.now(UTC)):
            return Answer(403, b'{"Error": {"Code": "SignatureDoesNotMatch"}}')
        identity = {"Account": "123456789012", "Arn": known.arn, "UserId": f"AROA:{known.arn.rpartition('/')[2]}"}
        body = {"GetCallerIdentityResponse": {"GetCallerIdentityResult": identity}}
        return Answer(200, json.dumps(body).encode(), [("Content-Type", "application/json")])


def is_signed(request: Request, by: Credentials, *, now: datetime) -> bool:
    """Return whether a presigned GET is what the holder of these credentials has signed, and still good."""
    pairs = parse_qsl(urlsplit(request.target).query, keep_blank_values=True)
    given = dict(pairs)
    signed_at = datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    age = (now - signed_at).total_seconds()
    if given["X-Amz-Security-Token"] != by.token or not -CLOCK_SECONDS <= age <= int(given["X-Amz-Expires"]):
        return False
    names = given["X-Amz-SignedHeaders"].split(";")
    query = sorted((quote(key, safe="-_.~"), quote(value, safe="-_.~")) for key, value in pairs)
    canonical = [
        request.method,
        "/",
        "&".join(f"{key}={value}" for key, value in query if key != "X-Amz-Signature"),
        *(f"{name}:{request.header(name)}" for name in names),
        "",
        ";".join(names),
        hashlib.sha256(b"").hexdigest(),
    ]
    scope = given["X-Amz-Credential"].split("/")[1:]
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", given["X-Amz-Date"], "/".join(scope), digest])
    key = reduce(lambda key, part: hmac.digest(key, part.encode(), "sha256"), scope, f"AWS4{by.secret}".encode())
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), given["X-Amz-Signature"])
