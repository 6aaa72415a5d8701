"""Health: /livez and /healthz say that this process answers, /readyz also that its store takes writes.

Reference: k8s.io/apiserver/pkg/server/healthz/healthz.go (v1.36), for the checks below each path, `verbose`, `exclude`
and the words. Why a check has failed is told by its own path alone, since the other three are for everybody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from chalice.app import Response

from chalicelib.apimachinery.rules.status import unknown_path
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import text_response

LOG = logging.getLogger(__name__)
FRESH_SECONDS = 1.0  # a probe each second is common; more of them cost the store nothing more

Check = Callable[[], str]  # returns what is wrong, "" for nothing


class Remembered:
    """A check that is made once a second at most, however often it is asked for. Safe to call from many threads."""

    def __init__(self, check: Check, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._problem = ""
        self._until = -FRESH_SECONDS

    def __call__(self) -> str:
        """Return what is wrong, or was within the last second."""
        with self._lock:
            if self._monotonic() >= self._until:
                self._problem = self._check()
                self._until = self._monotonic() + FRESH_SECONDS
            return self._problem


class HealthEndpoint:
    """Answers the health paths. `store` says whether the store takes writes."""

    def __init__(self, *, store: Check) -> None:
        alive: dict[str, Check] = {"ping": str}
        self._checks: Mapping[str, Mapping[str, Check]] = {
            "healthz": alive,
            "livez": alive,
            "readyz": {**alive, "store": Remembered(store)},
        }

    def answer(self, info: RequestInfo) -> Response:
        """Return ok or what has failed, as text. Raises 404 for a check that there is not."""
        path = info.path.split("/")[1]
        checks = self._checks[path]
        if info.name:
            if info.name not in checks:
                raise unknown_path()
            problem = checks[info.name]()
            return text_response(
                f"internal server error: {problem}\n" if problem else "ok", code=500 if problem else 200
            )
        excluded = dict.fromkeys(info.query.get("exclude", ()))
        lines, failed = [], []
        for name, check in checks.items():
            if name in excluded:
                del excluded[name]
                lines.append(f"[+]{name} excluded: ok")
            elif problem := check():
                LOG.warning("path=%s check=%s failed: %s", info.path, name, problem)
                lines.append(f"[-]{name} failed: reason withheld")
                failed.append(name)
            else:
                lines.append(f"[+]{name} ok")
        if excluded:
            unknown = ",".join(f'"{name}"' for name in sorted(excluded))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {unknown}")
        if failed:
            return text_response("\n".join([*lines, f"{path} check failed", ""]), code=500)
        return text_response("\n".join([*lines, f"{path} check passed", ""]) if "verbose" in info.query else "ok")
