"""The names that images have: distribution/reference, "Grammar" (github.com/distribution/reference, v0.6)."""

from __future__ import annotations

import re

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"@[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}"
IMAGE = re.compile(rf"{_REPOSITORY}(?:{_TAG})?(?:{_DIGEST})?")
TAGGED = re.compile(rf"{_REPOSITORY}(?:{_TAG})?")  # what can be pushed
