"""Which provider runs a control plane's pods, by the nodes that it shows."""

from __future__ import annotations

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers import registry
from chalicelib.providers.declaration import ProviderDeclaration
from chalicelib.resources.cluster.nodes import PROVIDER_LABEL
from sparkanywhere.client.kube_client import KubeClient


def provider_of_node(node: JSON) -> ProviderDeclaration | None:
    """Return the provider behind a node; None for a cluster's own node, and for a provider not installed here."""
    return registry.known(str(labels_of(node).get(PROVIDER_LABEL, "")))


def find_provider(client: KubeClient) -> ProviderDeclaration | None:
    """Return which provider runs pods, None if that is not known. Raises ApiError, ApiUnreachable."""
    found = (provider_of_node(node) for node in client.get("/api/v1/nodes")["items"])
    return next((each for each in found if each is not None), None)
