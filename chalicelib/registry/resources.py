"""Every resource served: the one list."""

from __future__ import annotations

from chalicelib.registry.claims import PersistentVolumeClaimStrategy, PersistentVolumeStrategy
from chalicelib.registry.configmaps import ConfigMapStrategy
from chalicelib.registry.events import EventStrategy, EventViewStrategy
from chalicelib.registry.namespaces import NamespaceStrategy
from chalicelib.registry.networkpolicies import NetworkPolicyStrategy
from chalicelib.registry.pods import PodStrategy
from chalicelib.registry.secrets import SecretStrategy
from chalicelib.registry.serviceaccounts import ServiceAccountStrategy
from chalicelib.registry.services import ServiceStrategy
from chalicelib.registry.strategy import Strategy

ALL: tuple[Strategy, ...] = (
    ConfigMapStrategy(),
    EventStrategy(),
    NamespaceStrategy(),
    PersistentVolumeClaimStrategy(),
    PersistentVolumeStrategy(),
    PodStrategy(),
    SecretStrategy(),
    ServiceAccountStrategy(),
    ServiceStrategy(),
    EventViewStrategy(),
    NetworkPolicyStrategy(),
)
