"""What somebody else lets the provider run at once, as the node tells it to clients: an annotation with JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import Provider
from chalicelib.providers.extensions import HasQuotas, Quota

QUOTAS = "sparkanywhere.io/quotas"


def quota_annotations(provider: Provider) -> dict[str, str]:
    """Return what the provider's nodes are to be annotated with."""
    found = provider.quotas() if isinstance(provider, HasQuotas) else ()
    told = {each.capacity: {"vcpus": each.vcpus, "more": each.more} for each in found}
    return {QUOTAS: json.dumps(told, sort_keys=True)} if told else {}


def quotas_of(node: JSON) -> Mapping[str, Quota]:
    """Return what a node says, by capacity type; nothing where it says nothing that can be read."""
    try:
        told = json.loads(annotations_of(node).get(QUOTAS, "{}"))
        return {capacity: Quota(capacity, float(each["vcpus"]), str(each["more"])) for capacity, each in told.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
