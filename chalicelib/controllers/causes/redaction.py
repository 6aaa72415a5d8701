"""Takes secrets out of a sentence: a pod's status is read by more people than its log. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON

HIDDEN = "***"
MIN_LENGTH = 4  # of a value that is taken out: shorter ones are in every text
_SECRET_NAME = re.compile(r"(?i)secret|passw|token|access_?key|credential|private|api_?key")
_SHAPES = (
    (re.compile(r"(://[^\s/:@]+:)[^\s/@]+@"), rf"\g<1>{HIDDEN}@"),
    (
        re.compile(
            r"(?i)((?:secret|passw\w*|token|signature|credential|api_?key|access_?key)[\w.-]*['\"]?\s*[=:]\s*)[^\s&,;]+"
        ),
        rf"\g<1>{HIDDEN}",
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), HIDDEN),
    (re.compile(r"(?i)(bearer )[\w.~+/=-]{8,}"), rf"\g<1>{HIDDEN}"),
)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these values, and without what has a secret's shape."""
    for each in sorted(set(secrets), key=len, reverse=True):
        if len(each) >= MIN_LENGTH:
            text = text.replace(each, HIDDEN)
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def named_secrets(pod: JSON) -> set[str]:
    """Return the names of the Secrets that a pod's containers have."""
    spec = spec_of(pod)
    found = {
        str((each.get("secret") or {}).get("secretName")) for each in spec.get("volumes") or () if "secret" in each
    }
    for container in _containers(pod):
        for variable in container.get("env") or ():
            found.add(str(((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")))
        found |= {str((each.get("secretRef") or {}).get("name")) for each in container.get("envFrom") or ()}
    return found - {"None"}


def plain_secrets(pod: JSON) -> Iterator[str]:
    """Yield the values of a pod's variables that have a secret's name."""
    for container in _containers(pod):
        for variable in container.get("env") or ():
            if variable.get("value") and _SECRET_NAME.search(variable["name"]):
                yield variable["value"]


def values_of(secret: JSON) -> Iterator[str]:
    """Yield the values of a Secret that are text, and the lines of long ones."""
    for encoded in (secret.get("data") or {}).values():
        try:
            text = base64.b64decode(encoded).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError):
            continue
        yield from {text.strip(), *text.split()}


def _containers(pod: JSON) -> list[JSON]:
    spec = spec_of(pod)
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
