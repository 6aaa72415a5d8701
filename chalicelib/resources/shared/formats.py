"""Formats of values inside specs: amounts, port numbers, IP addresses, paths, percentages."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from chalicelib.apimachinery.rules.quantity import NANO, canonical_resource, parse_quantity
from chalicelib.apimachinery.types import JSON

__all__ = ["NANO", "amount_text", "amounts_texts", "nanos"]


@lru_cache(maxsize=1024)
def nanos(amount: object) -> int:
    """Return an amount in thousand-millionths. Raises ValueError, worded as a real server's decoder."""
    return parse_quantity(str(amount)).nanos


def amount_text(amount: object) -> str:
    """Return an amount as the server writes it: 1024Mi is 1Gi, 0.5 is 500m. Raises ValueError."""
    return canonical_resource(str(amount))


def amounts_texts(amounts: JSON) -> JSON:
    """Return a resource list with every amount as the server writes it. Raises ValueError."""
    return {name: canonical_resource(str(amount)) for name, amount in amounts.items()}


MAX_PORT = 65535
MAX_INT32 = 2**31 - 1

_PERCENT = re.compile(r"[0-9]+%")

PORT_RANGE = f"must be between 1 and {MAX_PORT}, inclusive"
NOT_NEGATIVE = "must be greater than or equal to 0"
NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
RESERVED_AUDIENCE = "audiences of sparkanywhere are reserved"


def is_port(value: object) -> bool:
    """Return whether `value` is a port number."""
    return isinstance(value, int) and 0 < value <= MAX_PORT


def is_ip(text: str) -> bool:
    """Return whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_percent(text: str) -> bool:
    """Return whether `text` is a whole percentage such as 25%."""
    return bool(_PERCENT.fullmatch(text))


def relative_path_error(path: str) -> str:
    """Return why `path` may not be followed below a directory, or an empty string."""
    if path.startswith("/"):
        return "must be a relative path"
    return "must not contain '..'" if ".." in path.split("/") else ""


def is_reserved_audience(audience: str) -> bool:
    """Return whether tokens for `audience` are ours alone to make: those that open a payload or a staged file."""
    return audience.startswith("sparkanywhere")
