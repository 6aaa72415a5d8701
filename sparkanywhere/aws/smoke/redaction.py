"""Texts without what is somebody's own: accounts, ids, addresses, names and tokens become stable stand-ins.

The same id becomes the same stand-in throughout a recording, so that what belongs together can still be seen.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence

ACCOUNT, API = "123456789012", "a1b2c3d4e5"
TOKEN = "TOKEN"
_OCTETS = 254

# Whole texts that are replaced, whatever they are: group 1 stays in front of the stand-in.
HIDDEN: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*"), TOKEN),  # a JSON Web Token
    (re.compile(r"()\bk8s-aws-v1\.[\w-]+"), TOKEN),
    (re.compile(r"(Bearer )[^\s\"\\]+"), TOKEN),
    (re.compile(r"(X-Amz-(?:Signature|Security-Token|Credential)=)[^&\s\"\\]+"), TOKEN),
    (re.compile(r"(\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA))[A-Z0-9]{12,}"), "EXAMPLE"),
    (re.compile(r"(:(?:user|assumed-role|federated-user)/)[^\s\"\\,]+"), "somebody"),
    (re.compile(r"()[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "somebody@example.com"),
    (re.compile(r"(Root=)1-[0-9a-f]{8}-[0-9a-f]{24}"), "1-00000000-000000000000000000000000"),
)
API_HOST = re.compile(r"\b[a-z0-9]{10}(?=\.execute-api\.)")
NUMBERED = re.compile(
    r"(?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)"
    r"|(?P<account>(?<![\d.])\d{12}(?![\d.]))"
    r"|(?P<task>\b[0-9a-f]{32}\b)"
    r"|(?P<resource>\b(?:subnet|sg|eni|vpc|vpce|i|rtb|igw)-(?:[0-9a-f]{17}|[0-9a-f]{8})\b)"
    r"|(?P<address>(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]))"
)


class Redactor:
    """Redacts texts. `secrets` are texts of this run that are never shown: the token of the API, say."""

    def __init__(self, secrets: Sequence[str] = (), *, account: str = "") -> None:
        self._secrets = [each for each in secrets if each]
        self._seen: dict[str, str] = {account: ACCOUNT} if account else {}
        self._counts: dict[str, int] = {}
        self._makers: dict[str, Callable[[str, int], str]] = {
            "uuid": lambda _, number: f"00000000-0000-4000-8000-{number:012x}",
            "account": lambda _, number: f"{210_000_000_000 + number}",
            "task": lambda _, number: f"{number:032x}",
            "resource": lambda text, number: f"{text.partition('-')[0]}-{number:017x}",
            "address": _address,
        }

    def __call__(self, text: str) -> str:
        """Return the text redacted; one that is redacted already stays."""
        for secret in self._secrets:
            text = text.replace(secret, TOKEN)
        for pattern, stand_in in HIDDEN:
            text = pattern.sub(lambda found, stand_in=stand_in: found[1] + stand_in, text)  # type: ignore[misc]
        return NUMBERED.sub(self._numbered, API_HOST.sub(API, text))

    def _numbered(self, found: re.Match[str]) -> str:
        text, kind = found[0], str(found.lastgroup)
        if text in self._seen.values():
            return text
        if text not in self._seen:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._seen[text] = self._makers[kind](text, self._counts[kind])
        return self._seen[text]


def _address(text: str, number: int) -> str:
    """Return an address of documentation (RFC 5737) for a public one; private ones are the same everywhere."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    return text if address.is_private or address.is_loopback else f"192.0.2.{(number - 1) % _OCTETS + 1}"
