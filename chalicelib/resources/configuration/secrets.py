"""Secrets.

Compare kubernetes/pkg/registry/core/secret/strategy.go and ValidateSecret, v1.36.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.patching.patch import REDACTED
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import immutable, invalid, required, too_long
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import READ_VERBS, WRITE_VERBS
from chalicelib.resources.configuration.configmaps import MAX_DATA_BYTES, decoded_size, fixed_causes

DELETE_AT_END = "sparkanywhere.io/delete-at-end"  # "true": it goes when the pods or Jobs that own it have ended
ACCOUNT_NAME = "kubernetes.io/service-account.name"
DOCKER_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}


class SecretStrategy(Strategy):
    """core/v1 secrets."""

    resource, singular, kind = "secrets", "secret", "Secret"
    edit_verbs = (*READ_VERBS, *WRITE_VERBS)
    field_label_error = "field label not supported: {}"
    columns = (
        NAME_COLUMN,
        Column("Type", description=field_doc("Secret.type")),
        Column("Data", description=field_doc("Secret.data")),
        AGE_COLUMN,
    )

    def default(self, obj: JSON) -> None:
        """Set the type, and move stringData into data."""
        obj["type"] = obj.get("type") or "Opaque"
        texts = obj.pop("stringData", None) or {}
        data = obj.get("data") or {}
        for key, text in texts.items():
            data[key] = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
        if data:
            obj["data"] = data
        else:
            obj.pop("data", None)

    def validate(self, obj: JSON) -> list[Cause]:
        """Check keys, size, and what the type demands."""
        data = obj.get("data") or {}
        causes = [invalid(f"data[{key}]", key, error) for key in data for error in names.config_key_errors(key)]
        if sum(map(decoded_size, data.values())) > MAX_DATA_BYTES:
            causes.append(too_long("data", MAX_DATA_BYTES))
        return causes + _type_causes(obj["type"], data, metadata_of(obj))

    def validate_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold the type, and an immutable Secret to what it is."""
        return [
            *immutable("type", obj.get("type"), old.get("type")),
            *fixed_causes(obj, old, ("data",)),
            *self.validate(obj),
        ]

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return name, namespace and type."""
        return {**super().selectable_fields(obj), "type": obj.get("type", "")}

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, type, number of keys and age."""
        metadata = metadata_of(obj)
        age = meta.age(metadata.get("creationTimestamp"), now)
        return [metadata.get("name", ""), obj.get("type", ""), len(obj.get("data") or {}), age]


def _type_causes(kind: str, data: JSON, metadata: JSON) -> list[Cause]:
    if kind == "kubernetes.io/service-account-token":
        field = f"metadata.annotations[{ACCOUNT_NAME}]"
        return [] if (metadata.get("annotations") or {}).get(ACCOUNT_NAME) else [required(field)]
    if kind in DOCKER_KEYS:
        key = DOCKER_KEYS[kind]
        if key not in data:
            return [required(f"data[{key}]")]
        try:
            json.loads(base64.b64decode(data[key]))
        except ValueError as error:
            return [invalid(f"data[{key}]", REDACTED, _go_json_error(error))]
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        return [required("data[username]"), required("data[password]")]
    if kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        return [required("data[ssh-privatekey]")]
    if kind == "kubernetes.io/tls":
        return [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
    return []


def _go_json_error(error: ValueError) -> str:
    """Return what Go's decoder would say of broken JSON, as far as a look at the text can tell."""
    if not isinstance(error, json.JSONDecodeError):
        return "invalid character"
    text = error.doc[error.pos :]
    literals = {"n": "null", "t": "true", "f": "false"}
    literal = literals.get(text[:1])
    if not text:
        return "unexpected end of JSON input"
    if literal is None:
        return f"invalid character {text[0]!r} looking for beginning of value"
    for wanted, found in zip(literal, text, strict=False):
        if wanted != found:
            return f"invalid character {found!r} in literal {literal} (expecting {wanted!r})"
    return "unexpected end of JSON input"
