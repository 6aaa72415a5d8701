"""What the published OpenAPI leaves out of the Go types: names of string types, and fields kept when zero.

Facts about k8s.io/api and k8s.io/apimachinery, v1.36 (types.go of each group). Named types appear in the
decoder's messages (`of type v1.RestartPolicy`). A pointer field is written out even when it holds "", 0 or
false.
"""

from __future__ import annotations

# Type: field=GoName, where the field is (a list of) a named string type.
_NAMES = """
Condition: status=ConditionStatus
Container: imagePullPolicy=PullPolicy restartPolicy=ContainerRestartPolicy
Container: terminationMessagePolicy=TerminationMessagePolicy
ContainerPort: protocol=Protocol
ContainerResizePolicy: resourceName=ResourceName restartPolicy=ResourceResizeRestartPolicy
ContainerStatus: stopSignal=Signal
CronJobSpec: concurrencyPolicy=ConcurrencyPolicy
DaemonSetCondition: type=DaemonSetConditionType status=ConditionStatus
DaemonSetUpdateStrategy: type=DaemonSetUpdateStrategyType
DeleteOptions: propagationPolicy=DeletionPropagation
DeploymentCondition: type=DeploymentConditionType status=ConditionStatus
DeploymentStrategy: type=DeploymentStrategyType
EmptyDirVolumeSource: medium=StorageMedium
EndpointPort: protocol=Protocol
EndpointSlice: addressType=AddressType
EphemeralContainer: imagePullPolicy=PullPolicy restartPolicy=ContainerRestartPolicy
EphemeralContainer: terminationMessagePolicy=TerminationMessagePolicy
HTTPGetAction: scheme=URIScheme
HTTPIngressPath: pathType=PathType
HostPathVolumeSource: type=HostPathType
ImageVolumeSource: pullPolicy=PullPolicy
IngressPortStatus: protocol=Protocol
JobCondition: type=JobConditionType status=ConditionStatus
JobSpec: completionMode=CompletionMode podReplacementPolicy=PodReplacementPolicy
LabelSelectorRequirement: operator=LabelSelectorOperator
LeaseSpec: strategy=CoordinatedLeaseStrategy
Lifecycle: stopSignal=Signal
LimitRangeItem: type=LimitType
LoadBalancerIngress: ipMode=LoadBalancerIPMode
ManagedFieldsEntry: operation=ManagedFieldsOperationType
NamespaceCondition: type=NamespaceConditionType status=ConditionStatus
NamespaceSpec: finalizers=FinalizerName
NamespaceStatus: phase=NamespacePhase
NetworkPolicyPort: protocol=Protocol
NetworkPolicySpec: policyTypes=PolicyType
NodeAddress: type=NodeAddressType
NodeCondition: type=NodeConditionType status=ConditionStatus
NodeSelectorRequirement: operator=NodeSelectorOperator
NodeStatus: phase=NodePhase volumesInUse=UniqueVolumeName
ObjectReference: uid=UID
OwnerReference: uid=UID
ObjectMeta: uid=UID
PersistentVolumeClaimCondition: type=PersistentVolumeClaimConditionType status=ConditionStatus
PersistentVolumeClaimSpec: accessModes=PersistentVolumeAccessMode volumeMode=PersistentVolumeMode
PersistentVolumeClaimStatus: phase=PersistentVolumeClaimPhase accessModes=PersistentVolumeAccessMode
PersistentVolumeSpec: accessModes=PersistentVolumeAccessMode volumeMode=PersistentVolumeMode
PersistentVolumeSpec: persistentVolumeReclaimPolicy=PersistentVolumeReclaimPolicy
PersistentVolumeStatus: phase=PersistentVolumePhase
PodCondition: type=PodConditionType status=ConditionStatus
PodDisruptionBudgetSpec: unhealthyPodEvictionPolicy=UnhealthyPodEvictionPolicyType
PodFailurePolicyOnExitCodesRequirement: operator=PodFailurePolicyOnExitCodesOperator
PodFailurePolicyOnPodConditionsPattern: type=PodConditionType status=ConditionStatus
PodFailurePolicyRule: action=PodFailurePolicyAction
PodReadinessGate: conditionType=PodConditionType
PodSecurityContext: fsGroupChangePolicy=PodFSGroupChangePolicy
PodSecurityContext: supplementalGroupsPolicy=SupplementalGroupsPolicy
PodSecurityContext: seLinuxChangePolicy=PodSELinuxChangePolicy
PodSpec: restartPolicy=RestartPolicy dnsPolicy=DNSPolicy preemptionPolicy=PreemptionPolicy
PodStatus: phase=PodPhase qosClass=PodQOSClass resize=PodResizeStatus
PortStatus: protocol=Protocol
Preconditions: uid=UID
PriorityClass: preemptionPolicy=PreemptionPolicy
ReplicaSetCondition: type=ReplicaSetConditionType status=ConditionStatus
ResourceQuotaSpec: scopes=ResourceQuotaScope
SeccompProfile: type=SeccompProfileType
AppArmorProfile: type=AppArmorProfileType
ScopedResourceSelectorRequirement: scopeName=ResourceQuotaScope operator=ScopeSelectorOperator
Secret: type=SecretType
SecurityContext: procMount=ProcMountType
Capabilities: add=Capability drop=Capability
ServicePort: protocol=Protocol
ServiceSpec: type=ServiceType sessionAffinity=ServiceAffinity ipFamilies=IPFamily
ServiceSpec: ipFamilyPolicy=IPFamilyPolicy externalTrafficPolicy=ServiceExternalTrafficPolicy
ServiceSpec: internalTrafficPolicy=ServiceInternalTrafficPolicy
StatefulSetCondition: type=StatefulSetConditionType status=ConditionStatus
StatefulSetSpec: podManagementPolicy=PodManagementPolicyType
StatefulSetUpdateStrategy: type=StatefulSetUpdateStrategyType
StatusCause: reason=CauseType
Status: reason=StatusReason
StatusDetails: uid=UID
StorageClass: reclaimPolicy=PersistentVolumeReclaimPolicy volumeBindingMode=VolumeBindingMode
Taint: effect=TaintEffect
Toleration: operator=TolerationOperator effect=TaintEffect
TopologySpreadConstraint: whenUnsatisfiable=UnsatisfiableConstraintAction
TopologySpreadConstraint: nodeAffinityPolicy=NodeInclusionPolicy nodeTaintsPolicy=NodeInclusionPolicy
VolumeMount: mountPropagation=MountPropagationMode recursiveReadOnly=RecursiveReadOnlyMode
HPAScalingPolicy: type=HPAScalingPolicyType
HPAScalingRules: selectPolicy=ScalingPolicySelect
HorizontalPodAutoscalerCondition: type=HorizontalPodAutoscalerConditionType status=ConditionStatus
MetricSpec: type=MetricSourceType
MetricStatus: type=MetricSourceType
MetricTarget: type=MetricTargetType
MutatingWebhook: failurePolicy=FailurePolicyType matchPolicy=MatchPolicyType sideEffects=SideEffectClass
MutatingWebhook: reinvocationPolicy=ReinvocationPolicyType
RuleWithOperations: operations=OperationType scope=ScopeType
ValidatingWebhook: failurePolicy=FailurePolicyType matchPolicy=MatchPolicyType sideEffects=SideEffectClass
"""

# Type: optional scalar fields that are pointers (or lack omitempty), so that a zero is kept.
_POINTERS = """
AppArmorProfile: localhostProfile
AzureDiskVolumeSource: cachingMode fsType readOnly kind
CSIVolumeSource: readOnly fsType
ClientIPConfig: timeoutSeconds
ClusterTrustBundleProjection: name signerName optional
ConfigMap: immutable
ConfigMapEnvSource: optional
ConfigMapKeySelector: optional
ConfigMapProjection: optional
ConfigMapVolumeSource: defaultMode optional
Container: restartPolicy
ContainerStatus: started stopSignal
CronJobSpec: timeZone startingDeadlineSeconds suspend successfulJobsHistoryLimit failedJobsHistoryLimit
DaemonSetSpec: revisionHistoryLimit
DaemonSetStatus: collisionCount
DeleteOptions: gracePeriodSeconds orphanDependents propagationPolicy
DeleteOptions: ignoreStoreReadErrorWithClusterBreakingPotential
DeploymentSpec: replicas revisionHistoryLimit progressDeadlineSeconds
DeploymentStatus: terminatingReplicas collisionCount
DownwardAPIVolumeFile: mode
DownwardAPIVolumeSource: defaultMode
Endpoint: hostname nodeName zone
EndpointAddress: nodeName
EndpointConditions: ready serving terminating
EndpointPort: name protocol port appProtocol
EphemeralContainer: restartPolicy
FileKeySelector: optional
GRPCAction: service
HTTPIngressPath: pathType
HostPathVolumeSource: type
ISCSIVolumeSource: initiatorName
IngressClassParametersReference: apiGroup scope namespace
IngressPortStatus: error
IngressSpec: ingressClassName
JSONSchemaProps: maximum minimum maxLength minLength maxItems minItems multipleOf maxProperties minProperties
JSONSchemaProps: x-kubernetes-preserve-unknown-fields x-kubernetes-list-type x-kubernetes-map-type
JobSpec: parallelism completions activeDeadlineSeconds backoffLimit backoffLimitPerIndex maxFailedIndexes
JobSpec: manualSelector ttlSecondsAfterFinished completionMode suspend podReplacementPolicy managedBy
JobStatus: terminating failedIndexes ready
KeyToPath: mode
LeaseSpec: holderIdentity leaseDurationSeconds leaseTransitions strategy preferredHolder
Lifecycle: stopSignal
ListMeta: remainingItemCount
LoadBalancerIngress: ipMode
NetworkPolicyPort: protocol endPort
ObjectMeta: deletionGracePeriodSeconds
OwnerReference: controller blockOwnerDeletion
PersistentVolumeClaimSpec: storageClassName volumeMode volumeAttributesClassName
PersistentVolumeClaimStatus: currentVolumeAttributesClassName
PersistentVolumeSpec: volumeMode volumeAttributesClassName
PodCertificateProjection: maxExpirationSeconds
PodDNSConfigOption: value
PodDisruptionBudgetSpec: unhealthyPodEvictionPolicy
PodFailurePolicyOnExitCodesRequirement: containerName
PodSecurityContext: runAsUser runAsGroup runAsNonRoot fsGroup fsGroupChangePolicy supplementalGroupsPolicy
PodSecurityContext: seLinuxChangePolicy
PodResourceClaim: resourceClaimName resourceClaimTemplateName
PodResourceClaimStatus: resourceClaimName
PodSpec: terminationGracePeriodSeconds activeDeadlineSeconds automountServiceAccountToken
PodSpec: shareProcessNamespace priority runtimeClassName enableServiceLinks preemptionPolicy
PodSpec: setHostnameAsFQDN hostUsers hostnameOverride
PortStatus: error
Preconditions: uid resourceVersion
PriorityClass: preemptionPolicy
Probe: terminationGracePeriodSeconds
ProjectedVolumeSource: defaultMode
ReplicaSetSpec: replicas
ReplicaSetStatus: terminatingReplicas
ReplicationControllerSpec: replicas
RollingUpdateStatefulSetStrategy: partition
SeccompProfile: localhostProfile
Secret: immutable
SecretEnvSource: optional
SecretKeySelector: optional
SecretProjection: optional
SecretVolumeSource: defaultMode optional
SecurityContext: privileged runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation
SecurityContext: procMount
ServiceAccount: automountServiceAccountToken
ServiceAccountTokenProjection: expirationSeconds
ServicePort: appProtocol
ServiceSpec: ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy
ServiceSpec: trafficDistribution
StatefulSetSpec: replicas revisionHistoryLimit
StatefulSetStatus: collisionCount availableReplicas
StorageClass: reclaimPolicy allowVolumeExpansion volumeBindingMode
SuccessPolicyRule: succeededIndexes succeededCount
TokenRequestSpec: expirationSeconds
Toleration: tolerationSeconds
TopologySpreadConstraint: minDomains nodeAffinityPolicy nodeTaintsPolicy
TypedLocalObjectReference: apiGroup
TypedObjectReference: apiGroup namespace
VolumeMount: mountPropagation recursiveReadOnly
VolumeMountStatus: recursiveReadOnly
WindowsSecurityContextOptions: gmsaCredentialSpecName gmsaCredentialSpec runAsUserName hostProcess
HPAScalingRules: stabilizationWindowSeconds selectPolicy
HorizontalPodAutoscalerSpec: minReplicas targetCPUUtilizationPercentage
HorizontalPodAutoscalerStatus: observedGeneration currentCPUUtilizationPercentage
MetricTarget: averageUtilization
MetricValueStatus: averageUtilization
MutatingWebhook: failurePolicy matchPolicy reinvocationPolicy sideEffects timeoutSeconds
RuleWithOperations: scope
ServiceReference: path port
ValidatingWebhook: failurePolicy matchPolicy sideEffects timeoutSeconds
WebhookClientConfig: url
"""

# Type: fields that are no pointers and never left out in Go, though the schema calls them optional.
_VALUES = """
ClusterRole: rules
CustomResourceDefinitionStatus: acceptedNames conditions storedVersions
Container: resources
DeploymentSpec: strategy
DaemonSetSpec: updateStrategy
EndpointSlice: endpoints ports
EphemeralContainer: resources
DeploymentCondition: lastUpdateTime lastTransitionTime
Event: source regarding deprecatedSource reportingComponent reportingInstance
Event: firstTimestamp lastTimestamp eventTime
IngressStatus: loadBalancer
JobCondition: lastProbeTime lastTransitionTime
JobTemplateSpec: metadata spec
NetworkPolicySpec: podSelector
NodeDaemonEndpoints: kubeletEndpoint
NodeCondition: lastHeartbeatTime lastTransitionTime
NodeStatus: daemonEndpoints nodeInfo
PersistentVolumeClaimCondition: lastProbeTime lastTransitionTime
PersistentVolumeClaimSpec: resources
PodCondition: lastProbeTime lastTransitionTime
PodDisruptionBudgetStatus: disruptionsAllowed currentHealthy desiredHealthy expectedPods
PodTemplate: template
PodTemplateSpec: metadata spec
PriorityClass: value
ReplicaSetSpec: template
Role: rules
ServiceStatus: loadBalancer
StatefulSetSpec: updateStrategy
HorizontalPodAutoscalerCondition: lastTransitionTime
"""

# Type: fields that the schema requires, and that are pointers all the same: null in an empty object.
_REQUIRED_POINTERS = """
DaemonSetSpec: selector
DeploymentSpec: selector
StatefulSetSpec: selector
ReplicaSetSpec: selector
"""


def _pairs(table: str) -> list[tuple[str, str]]:
    rows = (line.split(":") for line in table.strip().splitlines())
    return [(kind, word) for kind, words in rows for word in words.split()]


POINTERS = frozenset(_pairs(_POINTERS))
VALUES = frozenset(_pairs(_VALUES))
REQUIRED_POINTERS = frozenset(_pairs(_REQUIRED_POINTERS))
NAMES = {
    (kind, word.split("=")[0]): ("types." if word.endswith("=UID") else "v1.") + word.split("=")[1]
    for kind, word in _pairs(_NAMES)
}
