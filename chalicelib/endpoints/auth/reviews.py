"""Reviews: kinds that are created, answered and never stored: who a user is, and what they may do.

Reference: kubernetes.io/docs/reference/access-authn-authz/authorization, "Checking API access" (v1.36).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from chalice.app import Response

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.status import Cause, StatusError, bad_request, invalid, method_not_allowed
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.tokens import INVALID, ISSUER, TokenInvalid, TokenIssuer
from chalicelib.endpoints.auth.callers import Authenticator, service_account_user
from chalicelib.endpoints.auth.rbac import Attributes, Rbac
from chalicelib.endpoints.http.parameters import Bodies
from chalicelib.endpoints.http.requests import RequestInfo, User
from chalicelib.endpoints.http.responses import respond
from chalicelib.endpoints.http.unstored import UnstoredKind

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"
REVIEW_VERSION = "v1"  # of all of them


REVIEWS = (
    UnstoredKind(AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview"),
    UnstoredKind(AUTHENTICATION, "tokenreviews", "TokenReview"),
    UnstoredKind(AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", True),
    UnstoredKind(AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    UnstoredKind(AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    UnstoredKind(AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview"),
)


Fill = Callable[[JSON, RequestInfo], None]


class Reviews:
    """Answers every kind of review."""

    def __init__(
        self,
        bodies: Bodies,
        rbac: Rbac,
        *,
        authenticator: Authenticator,
        issuer: TokenIssuer,
        clock: Callable[[], datetime],
    ) -> None:
        self._bodies = bodies
        self._rbac = rbac
        self._authenticator = authenticator
        self._issuer = issuer
        self._clock = clock
        self._fills: dict[str, Fill] = {
            "SelfSubjectReview": self._fill_user,
            "TokenReview": self._fill_token,
            "SelfSubjectAccessReview": lambda obj, info: self._decide(obj, info.user, []),
            "SelfSubjectRulesReview": self._fill_rules,
            "SubjectAccessReview": self._decide_for_subject,
            "LocalSubjectAccessReview": self._decide_for_subject,
        }
        self.kinds = {(kind.group, kind.resource): kind for kind in REVIEWS}

    def answer(self, review: UnstoredKind, info: RequestInfo) -> Response:
        """Return the review with its status. Raises 405 for anything but create, 422."""
        if info.verb != "create" or info.name:
            raise method_not_allowed()
        obj, _ = self._bodies.typed_object(info, group=review.group, version=REVIEW_VERSION, kind=review.kind)
        types = {"kind": review.kind, "apiVersion": f"{review.group}/{REVIEW_VERSION}"}
        obj = {**types, **obj, "metadata": metadata_of(obj)}
        if review.is_namespaced:
            obj["metadata"]["namespace"] = info.namespace
        self._fills[review.kind](obj, info)
        return respond(obj, code=201)

    def _fill_user(self, obj: JSON, info: RequestInfo) -> None:
        obj["metadata"]["creationTimestamp"] = kubetime.format_time(self._clock())
        obj["status"] = {"userInfo": _user_info(info.user)}
        obj.pop("spec", None)

    def _decide_for_subject(self, obj: JSON, info: RequestInfo) -> None:
        spec = obj.setdefault("spec", {})
        wrong = []
        if not spec.get("user") and not spec.get("groups"):
            wrong.append(causes.invalid("spec.user", "", "at least one of user or group must be specified"))
        resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        asked_namespace = (resource or {}).get("namespace", "")
        if info.namespace and resource is not None and asked_namespace != info.namespace:
            field = "spec.resourceAttributes.namespace"
            wrong.append(causes.invalid(field, asked_namespace, "must match metadata.namespace"))
        if info.namespace and path is not None:
            why = "disallowed on this kind of request"
            wrong.append(causes.invalid("spec.nonResourceAttributes", path, why))
        self._decide(obj, User(spec.get("user", ""), tuple(spec.get("groups") or ())), wrong)

    def _decide(self, obj: JSON, user: User, wrong: list[Cause]) -> None:
        spec = obj.setdefault("spec", {})
        resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if resource is not None and path is not None:
            why = "cannot be specified in combination with resourceAttributes"
            wrong.insert(0, causes.invalid("spec.nonResourceAttributes", path, why))
        if resource is None and path is None:
            why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            wrong.insert(0, causes.invalid("spec.resourceAttributes", None, why))
        metadata = obj["metadata"]
        if any(value for key, value in metadata.items() if key not in ("managedFields", "namespace")):
            why = "must be empty except for namespace" if metadata.get("namespace") else "must be empty"
            wrong.append(causes.invalid("metadata", metadata, why))
        if wrong:
            raise invalid(obj["kind"], "", wrong, group=AUTHORIZATION)
        if resource is None:
            path = path or {}
            asked = Attributes(path.get("verb", ""), path=path.get("path", ""))
        else:
            sub = resource.get("subresource", "")
            asked = Attributes(
                verb=resource.get("verb", ""),
                group=resource.get("group", ""),
                resource=resource.get("resource", "") + (f"/{sub}" if sub else ""),
                namespace=resource.get("namespace", ""),
                name=resource.get("name", ""),
            )
        owner = self._rbac.grant(user, asked)
        obj["status"] = {"allowed": owner is not None}
        if owner:
            obj["status"]["reason"] = f"for what the pod of uid {owner} owns, and nothing else"

    def _fill_rules(self, obj: JSON, info: RequestInfo) -> None:
        user, namespace = info.user, spec_of(obj).get("namespace")
        if not namespace:
            raise bad_request("no namespace on request")
        rules = list(self._rbac.rules(user, namespace))
        owned = list(self._rbac.owned_rules(user, namespace))
        rules += [rule for _, rule in owned]
        if "system:masters" in user.groups:
            rules = [
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["*"], "verbs": ["*"]},
            ]
        obj["status"] = {
            "resourceRules": [rule for rule in rules if rule.get("resources")],
            "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
            "incomplete": bool(owned),
        }
        if owned:
            obj["status"]["evaluationError"] = "some of these rules hold for what the pod owns, and nothing else"

    def _fill_token(self, obj: JSON, info: RequestInfo) -> None:
        del info
        spec = spec_of(obj)
        token, asked = spec.get("token"), tuple(spec.get("audiences") or (ISSUER,))
        if not token:
            raise bad_request("token is required for TokenReview in authentication")
        try:
            claims = self._issuer.verify(token, *asked)
            user, audiences = service_account_user(claims), [each for each in claims.audiences if each in asked]
        except TokenInvalid as error:
            known = self._static_user(token) if ISSUER in asked else None
            if known is None:
                why = str(error)
                obj["status"] = {"user": {}, "error": why if why == INVALID else f"[{INVALID}, {why}]"}
                return
            user, audiences = known, [ISSUER]
        obj["status"] = {"authenticated": True, "user": _user_info(user), "audiences": audiences}

    def _static_user(self, token: str) -> User | None:
        """Return whom a token stands for that knows no audience: it is for this API."""
        try:
            return self._authenticator.find_user(token)
        except StatusError as error:
            if error.code != HTTPStatus.UNAUTHORIZED:
                raise
            return None


def _user_info(user: User) -> JSON:
    info: JSON = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info
