"""Builds the HTTP API from what the control plane has chosen."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from chalicelib.apimachinery.types import JSON
from chalicelib.config import Settings, SettingsError
from chalicelib.controllers.changes import Changes
from chalicelib.controllers.pods.payloads import TaskPayloads
from chalicelib.controllers.reactions import Controllers
from chalicelib.controllers.runtime.tokens import TokenIssuer
from chalicelib.endpoints.api import Access, Api, Endpoints, Link
from chalicelib.endpoints.auth.audit import AuditLog
from chalicelib.endpoints.auth.aws_tokens import IamTokens, SecretToken, ask_sts, parse_mappings, signer_of
from chalicelib.endpoints.auth.callers import (
    ADMIN,
    ANONYMOUS,
    Authenticator,
    ServiceAccountTokens,
    StaticToken,
    StaticTokens,
    TokenAuthenticator,
    read_token_file,
)
from chalicelib.endpoints.auth.limits import Limits, UserLimits
from chalicelib.endpoints.auth.open_streams import OpenStreams
from chalicelib.endpoints.auth.rbac import Rbac
from chalicelib.endpoints.auth.reviews import Reviews
from chalicelib.endpoints.auth.scopes import Scopes
from chalicelib.endpoints.http.parameters import Bodies
from chalicelib.endpoints.http.representation import Shaper
from chalicelib.endpoints.http.requests import MASTERS
from chalicelib.endpoints.verbs.delivery import Delivery
from chalicelib.endpoints.verbs.health import HealthEndpoint
from chalicelib.endpoints.verbs.logs import LogEndpoint
from chalicelib.endpoints.verbs.metrics import MetricsEndpoint
from chalicelib.endpoints.verbs.pod_proxy import PodProxy
from chalicelib.endpoints.verbs.pod_streams import Kind, PodStreams
from chalicelib.endpoints.verbs.pod_subresources import Binding, Eviction, Refused, ServiceAccountToken
from chalicelib.endpoints.verbs.resource_verbs import MAX_ANSWER_BYTES, ResourceVerbs
from chalicelib.endpoints.verbs.scale import Scale
from chalicelib.endpoints.verbs.staged_files import FileEndpoint
from chalicelib.endpoints.verbs.subresources import SubresourceEndpoint, Subresources
from chalicelib.endpoints.verbs.watching import WatchEndpoint
from chalicelib.plane.backends import build_job_buckets, read_root_ca
from chalicelib.plane.foundation import Foundation, is_open
from chalicelib.plane.registries import Stored
from chalicelib.providers.extensions import VouchesForTasks
from chalicelib.providers.interactive import InteractiveProvider
from chalicelib.secret_value import check_arn, read_secret
from chalicelib.storage.base import StorageError

RBAC_RESOURCES = ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
LEAST_SETTLE_SECONDS = 0.5  # for what an earlier request has left, after a watch that used up its time
NO_DEBUG = (
    "ephemeral containers are not run here; use `kubectl exec` in a container of the pod,"
    " or `kubectl debug --copy-to` for a copy of the pod with another command or image"
)
NO_STREAMS = "{} needs a connection that stays open, which this control plane cannot give; use {}"


def build_api(base: Foundation, stored: Stored, controllers: Controllers, *, audit: AuditLog) -> Api:
    """Return the Api that answers every request."""
    settings, clock, streams = base.settings, base.sources.clock, base.host.streams
    lasts = base.host.stream_seconds if streams else None  # a stream there holds a function until then
    delivery = Delivery(streams, lasts, base.host.redirects, open_streams=_open_streams(base, lasts) if lasts else None)
    bodies, shaper = Bodies(settings.body_kib * 1024), Shaper(clock)
    rbac = _rbac(base, stored.changes)
    authenticator = build_authenticator(settings, base.issuer, clock)
    limits = Limits(UserLimits(settings.user_requests_per_second, settings.user_watches, settings.user_lists))
    list_limits = ([MAX_ANSWER_BYTES] if lasts or not streams else []) + (
        [settings.list_kib * 1024] if settings.list_kib else []
    )
    return Api(
        stored.registries,
        stored.custom,
        access=Access(
            authenticator=authenticator, rbac=rbac, scopes=Scopes(base.storage, rbac), limits=limits, audit=audit
        ),
        endpoints=Endpoints(
            resources=ResourceVerbs(bodies, shaper, rbac, max_list_bytes=min(list_limits, default=None)),
            subresources=Subresources(
                bodies, _subresources(base, bodies, stored), {"ephemeralcontainers": NO_DEBUG} if base.launches else {}
            ),
            watches=WatchEndpoint(shaper, limits, delivery=delivery, clock=clock),
            logs=LogEndpoint(controllers.pods, controllers.records, clock, delivery=delivery),
            reviews=Reviews(bodies, rbac, authenticator=authenticator, issuer=base.issuer, clock=clock),
            files=FileEndpoint(controllers.files, build_job_buckets(settings), root_ca=read_root_ca(settings)),
            health=HealthEndpoint(store=partial(_problem, base)),
            payloads=_payloads(base, stored),
            metrics=MetricsEndpoint(
                base.provider, stored.registries[("", "pods")], stored.registries[("", "nodes")], clock
            ),
        ),
        link=Link(
            url=base.url,
            compresses=streams,
            settle=partial(_settle, base, base.host.settle.request) if base.host.settle else None,
        ),
    )


def _open_streams(base: Foundation, seconds: float) -> OpenStreams:
    return OpenStreams(
        base.storage,
        most=base.settings.streams,
        most_of_user=base.settings.user_streams,
        seconds=seconds,
        clock=base.sources.clock,
        new_uid=base.sources.new_uid,
    )


def build_authenticator(settings: Settings, issuer: TokenIssuer, clock: Callable[[], datetime]) -> Authenticator:
    """Return the authenticator. Raises SettingsError for tokens or identities that cannot be read."""
    tokens = [StaticToken(ADMIN, settings.token)] if settings.token else []
    try:
        tokens += read_token_file(Path(settings.token_file)) if settings.token_file else []
        mappings = parse_mappings(settings.iam_users)
    except (OSError, ValueError) as error:
        raise SettingsError(f"SPARKANYWHERE_TOKEN_FILE or SPARKANYWHERE_IAM_USERS: {error}") from error
    # where who has no token may do everything, who has one may do no less
    more_groups = (MASTERS,) if is_open(settings) else ()
    kinds: list[TokenAuthenticator] = [StaticTokens(tokens), ServiceAccountTokens(issuer, more_groups)]
    if mappings:
        kinds.append(IamTokens(mappings, cluster=settings.deployment, ask_sts=ask_sts, clock=clock))
    if settings.token_from:
        arn = settings.token_from
        check_arn(arn)
        kinds.append(SecretToken(ADMIN, lambda: read_secret(arn), monotonic=time.monotonic))
    return Authenticator(kinds, ADMIN if is_open(settings) else ANONYMOUS)


def _rbac(base: Foundation, changes: Changes) -> Rbac:
    """Return the authorizer, which reads its rules anew when one of them changes."""
    rbac = Rbac(base.storage)

    def forget(_resource: str, _obj: JSON) -> None:
        rbac.forget()

    for resource in RBAC_RESOURCES:
        changes.subscribe(resource, ("ADDED", "MODIFIED", "DELETED"), forget)
    return rbac


def _subresources(base: Foundation, bodies: Bodies, stored: Stored) -> dict[str, SubresourceEndpoint]:
    """Return what answers subresources that act on something, by the kind that they take."""
    clock, provider = base.sources.clock, base.provider
    proxy: SubresourceEndpoint = Refused("a proxy to a pod needs a provider that this server can reach pods of")
    if base.host.streams and isinstance(provider, InteractiveProvider):
        proxy = PodProxy(provider, stored.registries[("", "pods")], base.storage)
    return {
        "Binding": Binding(bodies, clock),
        "Eviction": Eviction(bodies),
        "PodAttachOptions": _stream("attach", base),
        "PodExecOptions": _stream("exec", base),
        "PodPortForwardOptions": _stream("portforward", base),
        "PodProxyOptions": proxy,
        "Scale": Scale(bodies),
        "ServiceProxyOptions": proxy,
        "TokenRequest": ServiceAccountToken(bodies, base.issuer, clock),
    }


def _stream(kind: Kind, base: Foundation) -> SubresourceEndpoint:
    if base.host.streams and isinstance(base.provider, InteractiveProvider):
        return PodStreams(kind, base.provider)
    otherwise = filter(None, ("`kubectl logs`", base.settings.declaration.session_access))
    return Refused(NO_STREAMS.format(kind, ", or ".join(otherwise)))


def _payloads(base: Foundation, stored: Stored) -> TaskPayloads | None:
    render, provider = base.settings.declaration.payload, base.provider
    if render is None or not isinstance(provider, VouchesForTasks):
        return None

    def identify(proof: str) -> str:
        return signer_of(proof, provider.audience, ask_sts, now=base.sources.clock()).arn

    return TaskPayloads(
        base.storage, node=stored.node, provider=provider, identify=identify, render=render, clock=base.sources.clock
    )


def _problem(base: Foundation) -> str:
    try:
        base.storage.probe()
    except StorageError as error:
        return str(error)
    return ""


def _settle(base: Foundation, most_seconds: float, elapsed_seconds: float) -> None:
    base.later.settle(max(LEAST_SETTLE_SECONDS, most_seconds - elapsed_seconds))
