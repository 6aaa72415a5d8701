"""Staged files over HTTP: a ticket, the pieces of an upload, and a pod's fetch.

A user who may create pods in a namespace may stage files in it. A pod fetches with a token of its own, in the query, so
that a redirect to a bucket does not carry it along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from chalice.app import Response

from chalicelib.apimachinery.rules.status import bad_request, forbidden, too_large, unavailable, unknown_path
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.files.staged_files import StagedFiles, Ticket
from chalicelib.endpoints.http.requests import SEND, STAGE, RequestInfo
from chalicelib.endpoints.http.responses import StreamResponse, respond
from chalicelib.files.base import FileNotHere, FileStoreUnavailable

MAX_PIECE_BYTES = 3 * 1024 * 1024  # as any other body
CONTENT_TYPE = "application/vnd.sparkanywhere.file"  # Chalice sends octet-stream only for Accept: */*
TYPES = {"kind": "StagedFile", "apiVersion": "sparkanywhere.io/v1"}
ASK = "the body is a JSON object with sha256 and size, or with url"


def authorized_as(info: RequestInfo) -> RequestInfo:
    """Return the request that a caller must be allowed to make in order to make this one."""
    if info.verb not in (STAGE, SEND):
        return info
    return replace(info, verb="create", resource="pods", group="", subresource="", name="")


class SignedObjects(Protocol):
    """Signs for objects of other buckets (JobBuckets does)."""

    def signed(self, url: str) -> tuple[str, int]:
        """Return a URL to fetch an s3:// object by, and its size. Raises FileNotHere, FileStoreUnavailable."""
        ...


class FileEndpoint:
    """Answers the routes of staged files; `files` is None where none are kept, `objects` where none are signed."""

    def __init__(self, files: StagedFiles | None, objects: SignedObjects | None = None, *, root_ca: str = "") -> None:
        self._files = files
        self._objects = objects
        self._root_ca = root_ca

    def answer(self, info: RequestInfo) -> Response:
        """Return the ticket, or how much has come."""
        if info.verb == STAGE:
            try:
                asked: Any = json.loads(info.body)  # Any: what a client sent
            except (ValueError, RecursionError):
                asked = None
            if not isinstance(asked, dict):
                raise bad_request(ASK)
            if "url" in asked:
                return respond(self._signed(asked["url"]))
            return respond(self._ticket(info.namespace, asked))
        files = self._kept()
        if len(info.body) > MAX_PIECE_BYTES:
            raise too_large(MAX_PIECE_BYTES)
        offset = info.first("offset") or "0"
        if not offset.isdecimal() or len(offset) > 18:
            raise bad_request("offset is the number of bytes that came before")
        have = files.append(info.namespace, info.name, info.body, offset=int(offset))
        return respond({**TYPES, "status": {"offset": have}})

    def fetch(self, namespace: str, sha256: str, query: Mapping[str, list[str]]) -> Response:
        """Return the content, or the way to it."""
        token, needed_by = ((query.get(name) or [""])[0] for name in ("token", "neededBy"))
        found = self._kept().fetch(namespace, sha256, token, needed_by=needed_by)
        if isinstance(found, str):
            return Response(body="", status_code=307, headers={"Location": found, "Cache-Control": "no-store"})
        return StreamResponse(found, content_type=CONTENT_TYPE)

    def _kept(self) -> StagedFiles:
        if self._files is None:
            raise unknown_path()
        return self._files

    def _signed(self, url: object) -> JSON:
        if not isinstance(url, str) or not url.startswith("s3://"):
            raise bad_request("url is of the form s3://bucket/key")
        if self._objects is None:
            raise forbidden("files", url, "SPARKANYWHERE_JOB_BUCKETS names no bucket")
        try:
            fetch_url, size = self._objects.signed(url)
        except FileNotHere as error:
            raise forbidden("files", url, str(error)) from error
        except FileStoreUnavailable as error:
            raise unavailable(str(error)) from error
        return {
            **TYPES,
            "metadata": {"name": url},
            "spec": {"size": size},
            "status": {"present": True, "fetchURL": fetch_url, "certificateAuthority": ""},
        }

    def _ticket(self, namespace: str, asked: JSON) -> JSON:
        sha256, size, needed_by = (asked.get(name) for name in ("sha256", "size", "neededBy"))
        if sha256 is None or size is None:
            raise bad_request(ASK)
        if not isinstance(sha256, str) or not isinstance(size, int) or isinstance(size, bool):
            raise bad_request("sha256 is a text and size a whole number")
        ticket: Ticket = self._kept().ticket(namespace, sha256, size, needed_by=str(needed_by or ""))
        upload = {"url": ticket.upload.url, "headers": ticket.upload.headers, "offset": ticket.upload.have}
        return {
            **TYPES,
            "metadata": {"name": sha256, "namespace": namespace},
            "spec": {"size": size},
            "status": {
                "present": ticket.present,
                "upload": upload,
                "fetchURL": ticket.fetch_url,
                "certificateAuthority": self._root_ca,
            },
        }
