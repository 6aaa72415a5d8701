"""pods/log: options, checks, and the provider's bytes as text.

Reference: Kubernetes API reference v1.36, Pod, "read log of the specified Pod".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chalice.app import Response

from chalicelib.apimachinery.accessors import annotations_of, spec_of
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.status import Cause, bad_request, invalid, method_not_allowed, unknown_path
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.records import PodRecords
from chalicelib.endpoints.http.parameters import parse_int
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import StreamResponse
from chalicelib.endpoints.verbs.delivery import MAX_HOLD_SECONDS, Delivery
from chalicelib.providers.base import LogOptions, LogStream
from chalicelib.registry.registry import Registry
from chalicelib.resources.pods.podrecords import RESOURCE as PODRECORDS

TEXT_TYPE = "text/plain"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # no log is older, and some providers count from there
STREAMS: dict[str, LogStream] = {"": "all", "All": "all", "Stdout": "stdout", "Stderr": "stderr"}
MAX_LOG_BYTES = 6_000_000  # a Lambda answer may have 6 MiB, within JSON


class LogEndpoint:
    """Answers GET pods/NAME/log, and the same of the record of a pod that is gone.

    Follow lasts as long as the host can stream, or one window.
    """

    def __init__(
        self, pods: PodController, records: PodRecords, clock: Callable[[], datetime], *, delivery: Delivery
    ) -> None:
        self._pods = pods
        self._records = records
        self._clock = clock
        self._delivery = delivery

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the log as text. Raises 400 for a container that is not the pod's or has not begun."""
        if info.subresource not in registry.strategy.all_subresources:
            raise unknown_path()
        if info.verb != "get":
            raise method_not_allowed()
        options = self._options(info)
        found = registry.typed(registry.get(info.namespace, info.name))
        pod = found["pod"] if info.resource == PODRECORDS else found
        container = container_of(pod, info)
        if options.follow and (elsewhere := self._delivery.redirect(info)):
            return elsewhere
        if not spec_of(pod).get("nodeName"):
            return Response(body="", status_code=204, headers={"Content-Type": TEXT_TYPE})
        source, now = self._pods if pod is found else self._records, self._clock()

        def begin(longest: float | None) -> Iterator[bytes]:
            until = now + timedelta(seconds=longest) if options.follow and longest else None
            return source.logs(found, container, replace(options, until=until))

        if self._delivery.streams and (options.follow or not self._delivery.open_streams):
            return StreamResponse(self._delivery.stream(info, begin), content_type=TEXT_TYPE)
        body = b"".join(bounded(begin(MAX_HOLD_SECONDS), MAX_LOG_BYTES)).decode("utf-8", "replace")
        return Response(body=body, status_code=200, headers={"Content-Type": TEXT_TYPE})

    def _options(self, info: RequestInfo) -> LogOptions:
        tail, since = parse_int(info, "tailLines"), parse_int(info, "sinceSeconds")
        limit = parse_int(info, "limitBytes")
        found: list[Cause] = []
        if tail is not None and tail < 0:
            found.append(causes.invalid("tailLines", tail, "must be greater than or equal to 0"))
        if limit is not None and limit < 1:
            found.append(causes.invalid("limitBytes", limit, "must be greater than or equal to 1"))
        if since is not None and info.first("sinceTime"):
            found.append(causes.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
        elif since is not None and since < 1:
            found.append(causes.invalid("sinceSeconds", since, "must be greater than or equal to 1"))
        stream = info.first("stream")
        if stream not in STREAMS:
            found.append(causes.not_supported("stream", stream, ["All", "Stderr", "Stdout"]))
        elif STREAMS[stream] != "all" and tail is not None:
            found.append(causes.forbidden("", "`tailLines` and specific `stream` are mutually exclusive for now"))
        if info.first("sinceTime") and kubetime.find_time(info.first("sinceTime")) is None:
            raise bad_request(f'parsing time "{info.first("sinceTime")}": not an RFC 3339 time')
        if found:
            raise invalid("PodLogOptions", info.name, found)
        now = self._clock()
        moment = kubetime.after(now, -since) if since is not None else None
        if info.first("sinceTime"):
            moment = kubetime.parse_time(info.first("sinceTime"))
        return LogOptions(
            follow=info.flag("follow"),
            tail_lines=tail,
            since=moment and max(moment, EPOCH),
            limit_bytes=limit,
            timestamps=info.flag("timestamps"),
            previous=info.flag("previous"),
            stream=STREAMS[stream],
        )


def container_of(pod: JSON, info: RequestInfo) -> str:
    """Return the container that a request means: named, or the default. Raises 400 if it is not plain."""
    spec = pod["spec"]
    kinds = ("initContainers", "containers", "ephemeralContainers")
    names = [container["name"] for kind in kinds for container in spec.get(kind) or []]
    asked = info.first("container")
    if asked:
        if asked not in names:
            raise bad_request(f"container {asked} is not valid for pod {info.name}")
        return asked
    mains = [container["name"] for container in spec["containers"]]
    default = annotations_of(pod).get("kubectl.kubernetes.io/default-container")
    if default in mains:
        return str(default)
    if len(mains) == 1:
        return str(mains[0])
    inits = [container["name"] for container in spec.get("initContainers") or []]
    text = f"a container name must be specified for pod {info.name}, choose one of: [{' '.join(mains)}]"
    raise bad_request(text + (f" or one of the init containers: [{' '.join(inits)}]" if inits else ""))


def bounded(pieces: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    """Yield the pieces as long as all of them have at most so many bytes in JSON, where a letter may take six."""
    left = max_bytes
    for piece in pieces:
        left -= len(json.dumps(piece.decode("utf-8", "replace"))) - len('""')
        if left < 0:
            return
        yield piece
