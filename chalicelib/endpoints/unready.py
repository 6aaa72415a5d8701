"""Answers while there is no control plane yet: its settings are wrong, or its store does not answer.

On Lambda each new process builds one with its first request, which must get a Status like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from chalice.app import Response

from chalicelib.apimachinery.rules.status import StatusError, internal_error, unavailable
from chalicelib.config import SettingsError
from chalicelib.endpoints.api import Api
from chalicelib.endpoints.http.responses import status_response
from chalicelib.registry.errors import store_unavailable
from chalicelib.storage.base import StorageUnavailable

LOG = logging.getLogger(__name__)


class Plane(Protocol):
    """What has an API (the control plane)."""

    api: Api


def answered(build: Callable[[], Plane], request: Any) -> Response:  # Any: Chalice's Request has no types
    """Return the answer of the control plane that `build` gives, or a 5xx Status that says why there is none."""
    try:
        api = build().api
    except SettingsError as error:
        LOG.error("not set up: %s", error)
        return status_response(unavailable(f"the control plane is not set up: {error}"))
    except StorageUnavailable as error:
        return status_response(store_unavailable(error))
    except StatusError as error:
        return status_response(error)
    except Exception:
        LOG.exception("the control plane cannot be built")
        return status_response(internal_error("the control plane met an unexpected error; see its log"))
    return api.handle(request)
