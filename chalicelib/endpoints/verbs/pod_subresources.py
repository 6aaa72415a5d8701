"""Subresources that act: binding and eviction of pods, tokens of service accounts.

Reference: Kubernetes API reference v1.36; binding and eviction as in kubernetes/pkg/registry/core/pod/storage.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalice.app import Response

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.status import StatusError, bad_request, conflict, invalid, not_found
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.tokens import ISSUER, TokenClaims, TokenIssuer
from chalicelib.endpoints.http.parameters import Bodies, delete_options, write_options
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import respond
from chalicelib.registry.registry import Registry
from chalicelib.resources.shared.formats import RESERVED_AUDIENCE, is_reserved_audience
from chalicelib.storage.base import KeyNotFound
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update

MIN_TOKEN_SECONDS = 600  # as TokenRequest demands
LONGEST_TOKEN_SECONDS = 1 << 32  # that may be asked for
MAX_TOKEN_SECONDS = 24 * 3600  # longer ones are cut, as --service-account-max-token-expiration does
DEFAULT_TOKEN_SECONDS = 3600
TOKEN_GROUP = "authentication.k8s.io"
CREATED: JSON = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Binding:
    """POST pods/NAME/binding: put a pod on a node by hand."""

    def __init__(self, bodies: Bodies, clock: Callable[[], datetime]) -> None:
        self._bodies = bodies
        self._clock = clock

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Set spec.nodeName once. Raises 409 if the pod has a node or is being deleted."""
        body, _ = self._bodies.typed_object(info, group="", version="v1", kind="Binding")
        _check_named(body, info, "Binding")
        target = body.get("target") or {}
        node, kind = target.get("name") or "", target.get("kind") or "Node"
        wrong = [] if kind == "Node" else [causes.not_supported("target.kind", kind, ("Node", "<empty>"))]
        if wrong or not node:
            raise invalid("Binding", info.name, wrong or [causes.required("target.name")])
        now = kubetime.format_time(self._clock())

        def bound(pod: JSON) -> JSON:
            assigned = pod["spec"].get("nodeName")
            if pod["metadata"].get("deletionTimestamp"):
                raise _refused(info.name, f"pod {info.name} is being deleted, cannot be assigned to a host")
            if assigned:
                raise _refused(info.name, f'pod {info.name} is already assigned to node "{assigned}"')
            if pod["spec"].get("schedulingGates"):
                raise _refused(info.name, f"pod {info.name} has non-empty .spec.schedulingGates")
            pod["spec"]["nodeName"] = node
            status = pod.setdefault("status", {})
            conditions = [each for each in status.get("conditions") or [] if each["type"] != "PodScheduled"]
            scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
            status["conditions"] = [*conditions, scheduled]
            return pod

        registry.get(info.namespace, info.name)
        if not write_options(info, "CreateOptions").dry_run:
            guaranteed_update(registry.storage, registry.key(info.namespace, info.name), bound)
        return respond(CREATED, code=201)


def _check_named(body: JSON, info: RequestInfo, kind: str) -> None:
    if metadata_of(body).get("name") != info.name:
        raise bad_request(f"name in URL does not match name in {kind} object")


def _refused(name: str, why: str) -> StatusError:
    return conflict("pods/binding", name, why)


class Eviction:
    """POST pods/NAME/eviction: delete a pod. PodDisruptionBudgets are stored, and hold up no eviction."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Delete the pod with the eviction's delete options."""
        body, _ = self._bodies.typed_object(info, group="policy", version="v1", kind="Eviction")
        _check_named(body, info, "Eviction")
        options = delete_options(info, body.get("deleteOptions") or {})
        registry.delete(info.namespace, info.name, options)
        return respond(CREATED, code=201)


class ServiceAccountToken:
    """POST serviceaccounts/NAME/token: a TokenRequest."""

    def __init__(self, bodies: Bodies, issuer: TokenIssuer, clock: Callable[[], datetime]) -> None:
        self._bodies = bodies
        self._issuer = issuer
        self._clock = clock

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the TokenRequest with its token. Raises 404 for the account or the bound pod, 422."""
        body, _ = self._bodies.typed_object(info, group=TOKEN_GROUP, version="v1", kind="TokenRequest")
        spec, metadata = spec_of(body), metadata_of(body)
        for key, wanted in (("name", info.name), ("namespace", info.namespace)):
            if metadata.get(key) and metadata[key] != wanted:
                why = f"must match the service account {key} if specified"
                wrong = [causes.invalid(f"metadata.{key}", metadata[key], why)]
                raise invalid("TokenRequest", info.name, wrong, group=TOKEN_GROUP)
        account = registry.get(info.namespace, info.name).object()
        seconds = _seconds(spec)
        claims = self._claims(registry, info, account, spec.get("boundObjectRef"))
        issued = self._issuer.issue(claims, seconds=seconds, audiences=spec.get("audiences") or ())
        answer: JSON = {
            "kind": "TokenRequest",
            "apiVersion": f"{TOKEN_GROUP}/v1",
            "metadata": {
                "name": info.name,
                "namespace": info.namespace,
                "uid": account["metadata"]["uid"],
                "creationTimestamp": kubetime.format_time(self._clock()),
            },
            "spec": {
                "audiences": spec.get("audiences") or [ISSUER],
                "expirationSeconds": seconds,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {"token": issued.token, "expirationTimestamp": kubetime.format_time(issued.expires_at)},
        }
        return respond(answer, code=201)

    def _claims(self, registry: Registry, info: RequestInfo, account: JSON, bound: JSON | None) -> TokenClaims:
        pod_name = pod_uid = ""
        if bound:
            if (bound.get("apiVersion") or "v1", bound.get("kind")) != ("v1", "Pod"):
                group, _, version = (bound.get("apiVersion") or "").rpartition("/")
                what = f"{group}/{version}, Kind={bound.get('kind') or ''}"
                raise bad_request(f"cannot bind token to object of type {what}")
            pod_name = bound.get("name") or ""
            try:
                pod = registry.storage.get(object_key("pods", info.namespace, pod_name)).object()
            except KeyNotFound:
                raise not_found("pods", pod_name) from None
            if (pod["spec"].get("serviceAccountName") or "default") != info.name:
                why = "to pod running with different serviceaccount name."
                raise bad_request(f'cannot bind token for serviceaccount "{info.name}" {why}')
            pod_uid = pod["metadata"]["uid"]
            if bound.get("uid") and bound["uid"] != pod_uid:
                raise conflict(
                    "Pod",
                    pod_name,
                    f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record."
                    " The object might have been deleted and then recreated",
                )
        return TokenClaims(info.namespace, info.name, account["metadata"]["uid"], pod_name, pod_uid)


def _seconds(spec: JSON) -> int:
    given = spec.get("expirationSeconds")
    seconds = DEFAULT_TOKEN_SECONDS if given is None else int(given)
    why = "may not specify a duration less than 10 minutes" if seconds < MIN_TOKEN_SECONDS else ""
    if seconds > LONGEST_TOKEN_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
    wrong = [causes.invalid("spec.expirationSeconds", seconds, why)] if why else []
    for index, audience in enumerate(spec.get("audiences") or ()):
        if is_reserved_audience(audience):
            wrong.append(causes.invalid(f"spec.audiences[{index}]", audience, RESERVED_AUDIENCE))
    if wrong:
        raise invalid("TokenRequest", "", wrong, group=TOKEN_GROUP)
    return min(seconds, MAX_TOKEN_SECONDS)


class Refused:
    """A subresource that is not available here: every verb answers why, and what to use instead."""

    def __init__(self, message: str) -> None:
        self._message = message

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Raise 400 with the reason; kubectl shows it word for word."""
        del registry, info
        raise bad_request(self._message)
