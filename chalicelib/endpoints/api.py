"""Api: one request in, one response out. The one `except Exception` of the whole lives here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalice.app import Response

from chalicelib.apimachinery.rules.status import (
    StatusError,
    internal_error,
    method_not_allowed,
    unauthorized,
    unavailable,
    unknown_path,
)
from chalicelib.controllers.pods.payloads import TaskPayloads
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.endpoints.auth.audit import CLIENT_ADDRESS, Attempt, AuditLog
from chalicelib.endpoints.auth.callers import ANONYMOUS, Authenticator, acting_user, asked_user, bearer_token
from chalicelib.endpoints.auth.limits import Limits
from chalicelib.endpoints.auth.rbac import Rbac
from chalicelib.endpoints.auth.reviews import REVIEW_VERSION, Reviews
from chalicelib.endpoints.auth.scopes import Scopes
from chalicelib.endpoints.docs.documents import Documents
from chalicelib.endpoints.http.requests import FETCH, SEND, STAGE, RequestInfo, Router, request_info, split_path
from chalicelib.endpoints.http.responses import Representation, compressed, respond, status_response, text_response
from chalicelib.endpoints.http.unstored import METRICS_GROUP, METRICS_VERSION
from chalicelib.endpoints.page import page_response, wants_page
from chalicelib.endpoints.verbs.health import HealthEndpoint
from chalicelib.endpoints.verbs.logs import LogEndpoint
from chalicelib.endpoints.verbs.metrics import MetricsEndpoint
from chalicelib.endpoints.verbs.resource_verbs import ResourceVerbs
from chalicelib.endpoints.verbs.staged_files import FileEndpoint, authorized_as
from chalicelib.endpoints.verbs.subresources import Subresources
from chalicelib.endpoints.verbs.watching import WatchEndpoint
from chalicelib.providers.base import ProviderError, TaskRejected
from chalicelib.registry.parts import EVERYTHING, Scope, store_unavailable
from chalicelib.registry.registry import Registries, registry_key
from chalicelib.resources.custom.custom_registries import CustomRegistries
from chalicelib.storage.base import StorageUnavailable

LOG = logging.getLogger(__name__)
PAGE_NOT_FOUND = "404 page not found\n"


def gateway_url(context: dict[str, Any]) -> str:
    """Return the URL of the API Gateway stage that a request came through, "" if it came through none."""
    domain, stage = context.get("domainName"), context.get("stage")
    if not domain or not stage:
        return ""
    is_own_domain = ".execute-api." not in domain  # a custom domain's mapping hides the stage
    return f"https://{domain}" if is_own_domain else f"https://{domain}/{stage}"


def provider_refused(error: ProviderError) -> StatusError:
    """Return the answer to a request that a provider has refused: 403 for good, 503 for what passes."""
    if isinstance(error, TaskRejected):
        return StatusError(403, "Forbidden", f"{error.reason}: {error.message}")
    return unavailable(f"what runs the pods is not available: {error}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may enter, how often, for what, and what is kept of it."""

    authenticator: Authenticator
    rbac: Rbac
    scopes: Scopes
    limits: Limits
    audit: AuditLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """What answers requests of each sort."""

    resources: ResourceVerbs
    subresources: Subresources
    watches: WatchEndpoint
    logs: LogEndpoint
    reviews: Reviews
    files: FileEndpoint
    health: HealthEndpoint
    payloads: TaskPayloads | None
    metrics: MetricsEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How the API is tied to its host.

    `settle` is called with the seconds that a request has taken where its process is frozen after the answer, and
    waits for what it has begun.
    """

    url: PublicUrl
    compresses: bool = False
    settle: Callable[[float], None] | None = None


class Api:
    """Answers every request of one control plane."""

    def __init__(
        self, registries: Registries, custom: CustomRegistries, *, access: Access, endpoints: Endpoints, link: Link
    ) -> None:
        self._registries = registries
        self._custom = custom
        self._access = access
        self._endpoints = endpoints
        self._link = link
        self._router = Router()
        self._documents = Documents([registry.strategy for registry in registries.values()], custom)

    def handle(self, request: Any) -> Response:  # Any: Chalice's Request has no types
        """Return the answer to a Chalice request, once what it brought on is done or time is up; never raises."""
        started = time.monotonic()
        attempt = self._access.audit.begin(request.method)
        is_pretty = False
        try:
            attempt.address = CLIENT_ADDRESS.get() or request.context.get("identity", {}).get("sourceIp", "")
            attempt.headers = headers = {name.lower(): value for name, value in request.headers.items()}
            query = request.query_params
            attempt.query = {key: query.getlist(key) for key in query} if query else {}
            is_pretty = attempt.query.get("pretty", ["0"])[0] in ("true", "1")
            path = split_path("/".join((request.uri_params or {}).values()))
            attempt.path = "/" + "/".join(path)
            response = self._answer(attempt, path, request.raw_body or b"", gateway_url(request.context))
            if self._link.compresses and "accept-encoding" in headers:
                response = compressed(response, headers)
        except StatusError as error:
            attempt.error, response = error, status_response(error, is_pretty=is_pretty)
        except StorageUnavailable as error:  # met outside of a registry: by who may do what, or what there is
            response = status_response(store_unavailable(error), is_pretty=is_pretty)
        except ProviderError as error:  # met where no endpoint has an answer of its own
            attempt.error = provider_refused(error)
            response = status_response(attempt.error, is_pretty=is_pretty)
        except Exception:
            LOG.exception("method=%s path=%s unexpected error", request.method, request.context.get("path"))
            unexpected = internal_error("the control plane met an unexpected error; see its log")
            response = status_response(unexpected)
        self._access.audit.end(attempt, response.status_code)
        if self._link.settle is not None:
            self._link.settle(time.monotonic() - started)
        return response

    def stranger(self, method: str, path: str, headers: dict[str, str], *, address: str) -> StatusError | None:
        """Return the refusal of a caller who is nobody that we know, None for others; headers in lower case.

        For a host that asks before it reads a long body. A refusal is audited as any other.
        """
        attempt = self._access.audit.begin(method)
        attempt.address, attempt.headers, attempt.path = address, headers, path
        try:
            if self._access.authenticator.authenticate(headers) != ANONYMOUS:
                return None
            attempt.error = unauthorized()
        except StatusError as error:
            attempt.error = error
        except StorageUnavailable as error:
            return store_unavailable(error)
        self._access.audit.end(attempt, attempt.error.code)
        return attempt.error

    def forbidden(self, method: str, path: str, headers: dict[str, str], *, address: str, why: str) -> None:
        """Audit a request that the host has refused with 403 for whose it is or where it comes from."""
        attempt = self._access.audit.begin(method)
        attempt.address, attempt.headers, attempt.path = address, headers, path
        attempt.error = StatusError(403, "Forbidden", why)
        self._access.audit.end_early(attempt)

    def _answer(self, attempt: Attempt, path: list[str], body: bytes, url: str) -> Response:
        headers, query = attempt.headers, attempt.query
        match = self._router.find(attempt.method, path)
        if not isinstance(match, str) and match.route.verb in ("payload", "wait"):
            if self._endpoints.payloads is None:
                raise unknown_path()
            if match.route.verb == "wait":
                return text_response(self._endpoints.payloads.wait(match.values["uid"]))
            proof = bearer_token(headers)  # of a kind of its own
            return text_response(self._endpoints.payloads.payload(match.values["uid"], proof))
        if not isinstance(match, str) and match.route.verb == FETCH:
            values = match.values
            return self._endpoints.files.fetch(values["namespace"], values["name"], query)  # this too
        if not path and attempt.method == "GET" and wants_page(headers.get("accept", "")):
            return page_response()  # a browser asks before it has a token; nothing of the store is in it
        attempt.caller = caller = self._access.authenticator.authenticate(headers)
        if url and caller != ANONYMOUS:  # pods are sent there: nobody without a token has a say in it
            self._link.url.saw(url)
        attempt.impersonated = asked_user(headers)
        if attempt.impersonated is not None:
            attempt.impersonated = acting_user(caller, attempt.impersonated, self._access.rbac)
        user = attempt.impersonated or caller
        self._access.limits.request(caller.name)
        if isinstance(match, str):
            return self._no_route(match, path)
        attempt.info = info = request_info(
            match, method=attempt.method, path=attempt.path, query=query, headers=headers, body=body, user=user
        )
        asked = authorized_as(info) if info.verb in (STAGE, SEND) else info
        scope = self._access.scopes.authorize(caller, info, asks_for=asked)
        return self._resource(info, scope) if info.is_resource else self._non_resource(info)

    def _no_route(self, why: str, path: list[str]) -> Response:
        is_resource = len(path) > 2 and self._documents.discovery().has_group_version(path)
        if why == "method" or is_resource:
            raise method_not_allowed() if why == "method" else unknown_path()
        if path[:1] == ["api"]:
            raise unknown_path()
        return text_response(PAGE_NOT_FOUND, code=404)

    def _non_resource(self, info: RequestInfo) -> Response:
        if info.verb in (STAGE, SEND):
            return self._endpoints.files.answer(info)
        if info.verb == "health":
            return self._endpoints.health.answer(info)
        if info.verb.startswith("openapi"):
            return self._documents.openapi().answer(info)
        document = self._documents.discovery().answer(info)
        if document is None:
            return self._no_route("path", split_path(info.path))
        value, content_type = document
        is_pretty = info.flag("pretty")
        response = respond(value, representation=Representation(is_pretty=is_pretty))
        if content_type:
            response.headers["Content-Type"] = content_type
        return response

    def _resource(self, info: RequestInfo, scope: Scope) -> Response:
        review = self._endpoints.reviews.kinds.get((info.group, info.resource))
        if review is not None and info.version == REVIEW_VERSION and review.is_namespaced == bool(info.namespace):
            return self._endpoints.reviews.answer(review, info)
        if (info.group, info.version) == (METRICS_GROUP, METRICS_VERSION):
            return self._endpoints.metrics.answer(info, scope)
        registry = self._registries.get((info.group, info.resource)) or self._custom.find(
            info.group, info.version, info.resource
        )
        if registry is not None and registry.strategy.version != info.version:
            registry = self._registries.get(registry_key(info.group, info.version, info.resource))
        if registry is None:
            return self._no_route("path", split_path(info.path))
        if info.is_upgrade and info.verb == "watch":
            return respond({})  # at once: Spark's client then falls back to a plain watch
        # Before anything else: rights in a namespace are none over what has no namespace, nor over all of them.
        if registry.strategy.namespaced and not info.namespace and info.verb not in ("list", "watch"):
            raise method_not_allowed() if info.verb == "deletecollection" else unknown_path()
        if not registry.strategy.namespaced and "/namespaces/" in info.path and info.resource != "namespaces":
            raise unknown_path()
        if info.method == "HEAD" and info.subresource != "proxy":
            raise method_not_allowed()
        registry = registry if scope is EVERYTHING else registry.within(scope)
        if info.subresource == "log":
            return self._endpoints.logs.answer(registry, info)
        if info.subresource:
            return self._endpoints.subresources.answer(registry, info)
        if info.verb not in registry.strategy.verbs:
            raise method_not_allowed()
        if info.verb == "watch":
            return self._endpoints.watches.answer(registry, info)
        if info.verb == "list":
            with self._access.limits.listing(info.user.name):
                return self._endpoints.resources.answer(registry, info)
        return self._endpoints.resources.answer(registry, info)
