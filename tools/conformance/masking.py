"""What differs from run to run is masked, in answers of both servers: uids, times, revisions, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AGE = re.compile(r"(\d+[smhd])+")
HEADERS = frozenset(
    ("allow", "content-encoding", "content-type", "location", "retry-after", "warning", "www-authenticate")
)
TEXTS: list[tuple[re.Pattern[str], str]] = [  # in texts for people, YAML and JSON in strings
    (UID, "<uid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "<time>"),
    (re.compile(r"(?<=resource version: )\d+ \(\d+\)"), "<rv> (<rv>)"),
    (re.compile(r"(?<=resource version: )\d+|(?<=resourceVersion: \")\d+"), "<rv>"),
    (re.compile(r"(?<=resourceVersion: )\d+|(?<=current: )\d+|(?<=resource version )\d+"), "<n>"),
    (re.compile(r"(?<=ResourceVersion in record \()\d+"), "<rv>"),
    (re.compile(r'(resourceVersion\\*":\s*\\*")\d+'), r"\1<rv>"),
    (re.compile(r"\b(Bad_)[a-z0-9]{5}\b"), r"\1<rand>"),  # a name that was generated and refused
    (re.compile(r"\b10\.96\.\d+\.\d+"), "<ip>"),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"), "<jwt>"),
]
BUILD = ("buildDate", "compiler", "gitCommit", "gitTreeState", "gitVersion", "goVersion", "platform")
FIELDS: dict[str, Callable[[Any], Any]] = {
    "resourceVersion": lambda value: value if value in ("", "0") else "<rv>",
    "clusterIP": lambda value: value if value in ("", "None") else "<ip>",
    "clusterIPs": lambda value: value if value == ["None"] else ["<ip>"] * len(value),
    "continue": lambda value: value and "<continue>",
    "nodePort": lambda _: "<nodePort>",
    "serverAddress": lambda _: "<addr>",
    "hash": lambda _: "<hash>",
    "token": lambda _: "<jwt>",
    **{name: lambda _: "<build>" for name in BUILD},
}


def masked(value: Any, *, namespace: str) -> Any:
    """Return what JSON has decoded, masked; the namespace of the case becomes `<ns>`."""
    if isinstance(value, str):
        return masked_text(value).replace(namespace, "<ns>")
    if isinstance(value, list):
        return [masked(each, namespace=namespace) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key.replace(namespace, "<ns>"): _field(key, each, namespace) for key, each in value.items()}
    prefix, name = value.get("generateName"), value.get("name")
    if prefix and isinstance(name, str) and name.startswith(prefix):
        made["name"] = masked(prefix, namespace=namespace) + "<rand>"
    return made


def masked_text(text: str) -> str:
    """Return a text for people, masked."""
    for pattern, mask in TEXTS:
        text = pattern.sub(mask, text)
    return text


def masked_headers(headers: list[tuple[str, str]], *, namespace: str) -> dict[str, str]:
    """Return the headers that matter; several of a name in one, in order of their texts."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() in HEADERS:
            found.setdefault(name.lower(), []).append(masked(value, namespace=namespace))
    return {name: " | ".join(sorted(values)) for name, values in found.items()}


def _field(key: str, value: Any, namespace: str) -> Any:
    if key == "cells":  # of a Table, where ages are texts
        cells = (each if not isinstance(each, str) or not AGE.fullmatch(each) else "<age>" for each in value)
        return masked([*cells], namespace=namespace)
    if key in FIELDS and isinstance(value, str | list | int):
        return FIELDS[key](value)
    return masked(value, namespace=namespace)
