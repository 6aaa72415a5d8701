"""What Lambda and the local server call: the app that answers HTTP, and on AWS the functions of events and schedule.

KubernetesApp is a Chalice that answers every route from the control plane, and with a Status where there is none.

Chalice answers 405, 415 and 500 by itself as {"Code", "Message"}; Kubernetes clients want a Status. Where a new
process could not build its control plane at once, its first request does, and must get a Status like any other.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

from chalice.app import APIGateway, Chalice, Rate, Response, RestAPIEventHandler

from chalicelib.apimachinery.rules.status import (
    StatusError,
    bad_request,
    internal_error,
    method_not_allowed,
    unavailable,
    unknown_path,
)
from chalicelib.config import SettingsError
from chalicelib.endpoints.api import Api
from chalicelib.endpoints.http.requests import register
from chalicelib.endpoints.http.responses import status_response
from chalicelib.registry.parts import store_unavailable
from chalicelib.storage.base import StorageUnavailable

LOG = logging.getLogger(__name__)

STATUSES: dict[int, StatusError] = {
    400: bad_request("the request could not be understood"),
    404: unknown_path(),
    405: method_not_allowed(),
    500: internal_error("the control plane met an unexpected error; see its log"),
}


# Bodies that API Gateway must not take for text, which would destroy them. For an answer in gzip it asks the first
# type of the request's Accept, and kubectl's are many: "Binary media types for REST APIs" in its Developer Guide.
BINARY_TYPES = ("*/*", "application/vnd.kubernetes.protobuf")


RESYNC_MINUTES = 1  # EventBridge's shortest schedule


class Plane(Protocol):
    """What has an API (the control plane)."""

    api: Api


class KubernetesApp(Chalice):
    """A Chalice app that gives a Status where Chalice itself would give its own kind of error."""

    def __init__(self, app_name: str) -> None:
        super().__init__(app_name=app_name, configure_logs=False)  # it would keep our warnings from the log
        self.api.binary_types = list(BINARY_TYPES)
        self._answers = APIGateway()  # Chalice would encode every answer of those types, text too

    def serve(self, plane: Callable[[], Plane]) -> None:
        """Answer every route from the control plane that `plane` returns, or with a 5xx Status that says why not."""

        def answer(**_path_parts: str) -> Response:
            try:
                api = plane().api
            except SettingsError as error:
                LOG.error("not set up: %s", error)
                return status_response(unavailable(f"the control plane is not set up: {error}"))
            except StorageUnavailable as error:
                return status_response(store_unavailable(error))
            except StatusError as error:
                return status_response(error)
            except Exception:
                LOG.exception("the control plane cannot be built")
                return status_response(STATUSES[500])
            return api.handle(self.current_request)

        register(self, answer)

    def __call__(self, event: Any, context: Any) -> Any:
        """Handle a Lambda event (a REST proxy request); return the proxy response."""
        self.lambda_context = context
        handler = RestAPIEventHandler(self.routes, self._answers, self.log, self.debug)
        self.current_request = handler.create_request_object(event, context)
        response = handler(event, context)
        body = response.get("body") if isinstance(response, dict) else None
        is_chalices = isinstance(body, str) and body.startswith('{"Code"') and '"Message"' in body
        if not is_chalices or response.get("statusCode", 200) < 400:
            return response
        status = STATUSES.get(response["statusCode"], STATUSES[500])
        headers = {**(response.get("headers") or {}), "Content-Type": "application/json"}
        return {**response, "headers": headers, "body": json.dumps(status.to_dict())}

    def stream(self, event: dict[str, Any], context: Any) -> Any:
        """Handle a request whose path follows STREAM_PATH; return the proxy response, its body maybe an iterator."""
        inner = {
            **event,
            "pathParameters": {"p1": event["pathParameters"]["proxy"]},
            "requestContext": {**event["requestContext"], "resourcePath": "/{p1}"},  # our own table splits it
        }
        return self(inner, context)


class EventTarget(Protocol):
    """What events are for (the control plane)."""

    def observe_event(self, detail: dict[str, Any]) -> None:
        """Take in the detail of an event of the provider's."""
        ...

    def run_chores(self) -> None:
        """Heal what can be healed."""
        ...

    def launch(self, event: dict[str, Any]) -> None:
        """Launch the pods that an event of our own names, and those that follow."""
        ...


Function = Callable[[Any, Any], Any]  # Lambda's event and context, and what it returns


def register_events(
    app: KubernetesApp, target: Callable[[], EventTarget], *, pattern: dict[str, Any] | None
) -> tuple[Function | None, ...]:
    """Make functions of their own: for the events that fit the pattern, the schedule, launches, and streams.

    Returns them in this order; Lambda looks for them as `task_events`, `resync`, `launch` and `stream` in app.py.
    Without a pattern there are none: a local control plane hears of its tasks itself.
    """
    if pattern is None:
        return (None,) * 4

    def task_events(event: Any) -> None:  # Any: Chalice's CloudWatchEvent
        target().observe_event(event.detail)

    def resync(event: Any) -> None:
        del event
        target().run_chores()

    def launch(event: dict[str, Any], context: Any) -> None:  # Any: Lambda's context
        del context
        target().launch(event)

    return (
        app.on_cw_event(pattern, name="task_events")(task_events),
        app.schedule(Rate(RESYNC_MINUTES, unit=Rate.MINUTES), name="resync")(resync),
        app.lambda_function(name="launch")(launch),
        app.lambda_function(name="stream")(app.stream),
    )
