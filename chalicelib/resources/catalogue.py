"""Every resource served: the one list."""

from __future__ import annotations

from chalicelib.registry.strategy import Strategy
from chalicelib.resources.access.rbac import (
    ClusterRoleBindingStrategy,
    ClusterRoleStrategy,
    RoleBindingStrategy,
    RoleStrategy,
)
from chalicelib.resources.access.serviceaccounts import ServiceAccountStrategy
from chalicelib.resources.cluster.events import EventStrategy, EventViewStrategy
from chalicelib.resources.cluster.leases import LeaseStrategy
from chalicelib.resources.cluster.namespaces import NamespaceStrategy
from chalicelib.resources.cluster.nodes import NodeStrategy
from chalicelib.resources.configuration.configmaps import ConfigMapStrategy
from chalicelib.resources.configuration.secrets import SecretStrategy
from chalicelib.resources.custom.customresourcedefinitions import CustomResourceDefinitionStrategy
from chalicelib.resources.inert import INERT
from chalicelib.resources.network.endpoints import EndpointSliceStrategy, EndpointsStrategy
from chalicelib.resources.network.networkpolicies import NetworkPolicyStrategy
from chalicelib.resources.network.services import ServiceStrategy
from chalicelib.resources.pods.podrecords import PodRecordStrategy
from chalicelib.resources.pods.podtemplates import PodTemplateStrategy
from chalicelib.resources.pods.strategy import PodStrategy
from chalicelib.resources.policy.poddisruptionbudgets import PodDisruptionBudgetStrategy
from chalicelib.resources.policy.priorityclasses import PriorityClassStrategy
from chalicelib.resources.policy.quotas import LimitRangeStrategy, ResourceQuotaStrategy
from chalicelib.resources.volumes.claims import PersistentVolumeClaimStrategy, PersistentVolumeStrategy
from chalicelib.resources.volumes.storageclasses import StorageClassStrategy
from chalicelib.resources.workloads.cronjobs import CronJobStrategy
from chalicelib.resources.workloads.deployments import DeploymentStrategy, ReplicaSetStrategy
from chalicelib.resources.workloads.jobs import JobStrategy
from chalicelib.resources.workloads.statefulsets import StatefulSetStrategy

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
    CronJobStrategy(),
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
    *INERT,
    PodRecordStrategy(),
)

# What makes pods, and what may therefore stand between two of them: each resource's Strategy.pod_template.
WORKLOADS = {each.resource: each.pod_template for each in ALL if each.pod_template}
