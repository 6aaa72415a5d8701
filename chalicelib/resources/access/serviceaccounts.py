"""ServiceAccounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS, Subresource


class ServiceAccountStrategy(Strategy):
    """core/v1 serviceaccounts."""

    resource, singular, kind = "serviceaccounts", "serviceaccount", "ServiceAccount"
    in_view, edit_verbs = True, (*WRITE_VERBS, "impersonate")
    subresources = (
        Subresource("token", "TokenRequest", ("authentication.k8s.io", "v1"), ("create",), edit_verbs=("create",)),
    )
    short_names = ("sa",)
    returns_deleted = True
    columns = (NAME_COLUMN, Column("Secrets", description=field_doc("ServiceAccount.secrets")), AGE_COLUMN)

    def default(self, obj: JSON) -> None:
        """Leave out what is empty."""
        for key in ("secrets", "imagePullSecrets"):
            if not obj.get(key):
                obj.pop(key, None)

    def warnings(self, obj: JSON) -> list[str]:
        """Warn about the annotation that no longer does what it says."""
        key = "kubernetes.io/enforce-mountable-secrets"
        if key not in annotations_of(obj):
            return []
        return [
            f"metadata.annotations[{key}]: deprecated in v1.32+;"
            " prefer separate namespaces to isolate access to mounted secrets"
        ]

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, number of secrets and age."""
        metadata = metadata_of(obj)
        age = meta.age(metadata.get("creationTimestamp"), now)
        return [metadata.get("name", ""), len(obj.get("secrets") or ()), age]
