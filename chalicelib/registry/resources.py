"""Every resource served: the one list."""

from __future__ import annotations

from chalicelib.registry.claims import PersistentVolumeClaimStrategy, PersistentVolumeStrategy
from chalicelib.registry.configmaps import ConfigMapStrategy
from chalicelib.registry.customresourcedefinitions import CustomResourceDefinitionStrategy
from chalicelib.registry.deployments import DeploymentStrategy, ReplicaSetStrategy
from chalicelib.registry.endpoints import EndpointSliceStrategy, EndpointsStrategy
from chalicelib.registry.events import EventStrategy, EventViewStrategy
from chalicelib.registry.jobs import JobStrategy
from chalicelib.registry.leases import LeaseStrategy
from chalicelib.registry.namespaces import NamespaceStrategy
from chalicelib.registry.networkpolicies import NetworkPolicyStrategy
from chalicelib.registry.nodes import NodeStrategy
from chalicelib.registry.poddisruptionbudgets import PodDisruptionBudgetStrategy
from chalicelib.registry.pods import PodStrategy
from chalicelib.registry.podtemplates import PodTemplateStrategy
from chalicelib.registry.priorityclasses import PriorityClassStrategy
from chalicelib.registry.quotas import LimitRangeStrategy, ResourceQuotaStrategy
from chalicelib.registry.rbac import (
    ClusterRoleBindingStrategy,
    ClusterRoleStrategy,
    RoleBindingStrategy,
    RoleStrategy,
)
from chalicelib.registry.secrets import SecretStrategy
from chalicelib.registry.serviceaccounts import ServiceAccountStrategy
from chalicelib.registry.services import ServiceStrategy
from chalicelib.registry.statefulsets import StatefulSetStrategy
from chalicelib.registry.storageclasses import StorageClassStrategy
from chalicelib.registry.strategy import Strategy

ALL: tuple[Strategy, ...] = (
    ConfigMapStrategy(),
    EndpointsStrategy(),
    EventStrategy(),
    LimitRangeStrategy(),
    NamespaceStrategy(),
    NodeStrategy(),
    PersistentVolumeClaimStrategy(),
    PersistentVolumeStrategy(),
    PodStrategy(),
    PodTemplateStrategy(),
    ResourceQuotaStrategy(),
    SecretStrategy(),
    ServiceAccountStrategy(),
    ServiceStrategy(),
    CustomResourceDefinitionStrategy(),
    DeploymentStrategy(),
    ReplicaSetStrategy(),
    StatefulSetStrategy(),
    EventViewStrategy(),
    JobStrategy(),
    NetworkPolicyStrategy(),
    PodDisruptionBudgetStrategy(),
    ClusterRoleBindingStrategy(),
    ClusterRoleStrategy(),
    RoleBindingStrategy(),
    RoleStrategy(),
    PriorityClassStrategy(),
    StorageClassStrategy(),
    LeaseStrategy(),
    EndpointSliceStrategy(),
)
