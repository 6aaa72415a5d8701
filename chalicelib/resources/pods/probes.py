"""What may be wrong with probes and lifecycle hooks of a container.

Compare validateProbe and validateHandler in kubernetes/pkg/apis/core/validation/validation.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules.causes import forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.formats import NOT_NEGATIVE, PORT_RANGE, is_port

SCHEMES = ("HTTP", "HTTPS")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def probes_causes(container: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with the probes of a container."""
    for name in _PROBES:
        probe = container.get(name)
        if probe is None:
            continue
        here = f"{at}.{name}"
        yield from _handler_causes(probe, here, kinds=("exec", "httpGet", "tcpSocket", "grpc"))
        for count in _COUNTS:
            value = probe.get(count)
            if value is not None and value < 0:
                yield invalid(f"{here}.{count}", value, NOT_NEGATIVE)
        grace = probe.get("terminationGracePeriodSeconds")
        if grace is not None and grace <= 0:
            yield invalid(f"{here}.terminationGracePeriodSeconds", grace, "must be greater than 0")
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            yield invalid(f"{here}.successThreshold", probe["successThreshold"], "must be 1")
        if name == "readinessProbe" and grace is not None:
            yield invalid(
                f"{here}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes"
            )


def lifecycle_causes(container: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with the hooks of a container."""
    lifecycle = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        if lifecycle.get(name) is not None:
            here = f"{at}.lifecycle.{name}"
            yield from _handler_causes(lifecycle[name], here, kinds=("exec", "httpGet", "tcpSocket", "sleep"))


def _handler_causes(handler: JSON, at: str, *, kinds: tuple[str, ...]) -> Iterator[Cause]:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        yield required(at, "must specify a handler type")
    for extra in given[1:]:
        yield forbidden(f"{at}.{extra}", "may not specify more than 1 handler type")
    if given:
        yield from _action_causes(given[0], handler[given[0]], f"{at}.{given[0]}")


def _action_causes(kind: str, action: JSON, at: str) -> Iterator[Cause]:
    if kind == "exec" and not action.get("command"):
        yield required(f"{at}.command")
    elif kind == "httpGet":
        if not action.get("path"):
            yield required(f"{at}.path")
        yield from _port_causes(action.get("port", 0), f"{at}.port")
        if action.get("scheme") not in SCHEMES:
            yield not_supported(f"{at}.scheme", action.get("scheme"), SCHEMES)
    elif kind in ("tcpSocket", "grpc"):
        yield from _port_causes(action.get("port", 0), f"{at}.port")


def _port_causes(port: int | str, at: str) -> Iterator[Cause]:
    if isinstance(port, str):
        for error in names.port_name_errors(port):
            yield invalid(at, port, error)
    elif not is_port(port):
        yield invalid(at, port, PORT_RANGE)
