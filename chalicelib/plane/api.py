"""Builds the HTTP API from what the control plane has chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.controllers.pods.payloads import TaskPayloads
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.runtime.tokens import TokenIssuer
from chalicelib.endpoints.api import Api
from chalicelib.endpoints.auth.audit import Audit, nothing
from chalicelib.endpoints.auth.authentication import Authenticator
from chalicelib.endpoints.auth.limits import NO_LIMITS, Limits, UserLimits
from chalicelib.endpoints.auth.rbac import Rbac
from chalicelib.endpoints.auth.reviews import Reviews
from chalicelib.endpoints.http.bodies import MAX_BODY_BYTES, Bodies
from chalicelib.endpoints.http.representation import Shaper
from chalicelib.endpoints.verbs.logs import LogEndpoint, PodLogs
from chalicelib.endpoints.verbs.pod_streams import Kind, PodStreams
from chalicelib.endpoints.verbs.pod_subresources import (
    Binding,
    Eviction,
    Refused,
    ServiceAccountToken,
)
from chalicelib.endpoints.verbs.resource_verbs import MAX_ANSWER_BYTES, ResourceVerbs
from chalicelib.endpoints.verbs.scale import Scale
from chalicelib.endpoints.verbs.staged_files import FileEndpoint
from chalicelib.endpoints.verbs.subresources import SubresourceEndpoint, Subresources
from chalicelib.endpoints.verbs.watching import WatchEndpoint
from chalicelib.providers.interactive import InteractiveProvider
from chalicelib.registry.registry import Registries
from chalicelib.resources.custom.custom_registries import CustomRegistries

NO_STREAMS = (
    "{} needs a connection that stays open, which this control plane cannot give; use `kubectl logs`, or"
    " `aws ecs execute-command` on the task that the pod's annotation sparkanywhere.io/task names"
)


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """What the API is made of."""

    registries: Registries
    custom: CustomRegistries
    pods: PodLogs
    authenticator: Authenticator
    rbac: Rbac
    issuer: TokenIssuer
    clock: Callable[[], datetime]
    streams: bool
    is_ready: Callable[[], str]
    url: PublicUrl
    payloads: TaskPayloads | None = None
    files: FileEndpoint | None = None
    settle: Callable[[float], None] = lambda _seconds: None
    user_limits: UserLimits = NO_LIMITS
    max_body_bytes: int = MAX_BODY_BYTES
    max_list_bytes: int = 0  # 0: as many as there are
    audit: Audit = nothing
    interactive: InteractiveProvider | None = None  # None: no connection stays open here


def _stream(kind: Kind, provider: InteractiveProvider | None) -> SubresourceEndpoint:
    return Refused(NO_STREAMS.format(kind)) if provider is None else PodStreams(kind, provider)


def _most_list_bytes(config: ApiConfig) -> int | None:
    """Return how long the answer to a list may be; None for as long as it is."""
    carried = () if config.streams else (MAX_ANSWER_BYTES,)
    return min((*carried, *((config.max_list_bytes,) if config.max_list_bytes > 0 else ())), default=None)


def build_api(config: ApiConfig) -> Api:
    """Return the Api that answers every request."""
    bodies = Bodies(config.max_body_bytes)
    shaper = Shaper(config.clock)
    limits = Limits(config.user_limits)
    acting: dict[str, SubresourceEndpoint] = {  # by the kind that a subresource takes
        "Binding": Binding(bodies, config.clock),
        "Eviction": Eviction(bodies),
        "PodAttachOptions": _stream("attach", config.interactive),
        "PodExecOptions": _stream("exec", config.interactive),
        "PodPortForwardOptions": _stream("portforward", config.interactive),
        "Scale": Scale(bodies),
        "TokenRequest": ServiceAccountToken(bodies, config.issuer, config.clock),
    }
    return Api(
        config.registries,
        custom=config.custom,
        authenticator=config.authenticator,
        rbac=config.rbac,
        resources=ResourceVerbs(bodies, shaper, config.rbac, max_list_bytes=_most_list_bytes(config)),
        subresources=Subresources(bodies, acting),
        watches=WatchEndpoint(shaper, limits, streams=config.streams),
        logs=LogEndpoint(config.pods, config.clock, streams=config.streams),
        reviews=Reviews(bodies, config.rbac, config.issuer, config.clock),
        payloads=config.payloads,
        files=config.files or FileEndpoint(None),
        url=config.url,
        limits=limits,
        is_ready=config.is_ready,
        audit=config.audit,
        compresses=config.streams,
        settle=config.settle,
    )
