"""Calls of Azure Resource Manager, and its errors as provider errors.

Microsoft.ContainerInstance 2023-05-01 (Azure/azure-rest-api-specs); learn.microsoft.com, "Troubleshoot common issues in
Azure Container Instances" and "Understand how Azure Resource Manager throttles requests" (2026).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from chalicelib.providers.base import THROTTLED, ProviderUnavailable, RefusedError, TaskRejected

Document = dict[str, Any]  # as the API has it

API_VERSION = "2023-05-01"
TIMEOUT_SECONDS = 6.0  # of a call: run() makes two, and stays below 8 seconds as a rule
SECONDS_ARE = 60.0  # a longer Retry-After is an hour's quota (300 creates), no matter of seconds
NO_CAPACITY = "NoCapacity"
# Codes and words of errors that pass, and what they are called here; the first that is found counts.
PASSING = (
    ("quotareached", "QuotaExceeded"),
    ("quota", "QuotaExceeded"),
    ("toomanyrequests", THROTTLED),
    ("throttled", THROTTLED),
    ("not available in the location", NO_CAPACITY),
    ("capacity", NO_CAPACITY),
    ("serviceunavailable", NO_CAPACITY),
    ("registryerrorresponse", "ErrImagePull"),
    ("conflict", "Conflict"),
    ("transitioning", "Conflict"),
    ("authorization", "Credentials"),
    ("authentication", "Credentials"),
)
REJECTED = {"InaccessibleImage": "ErrImagePull"}


class NotFound(Exception):
    """Azure knows no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where container groups are: as in their URLs."""

    endpoint: str  # of Resource Manager, another one in each of Azure's clouds
    subscription: str
    resource_group: str
    location: str

    @property
    def groups(self) -> str:
        """Return the URL of all container groups of the resource group."""
        group = f"subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{self.endpoint}/{group}/providers/Microsoft.ContainerInstance/containerGroups"

    @property
    def usages(self) -> str:
        """Return the URL of what the subscription may have in this location, and has."""
        provider = f"subscriptions/{self.subscription}/providers/Microsoft.ContainerInstance"
        return f"{self.endpoint}/{provider}/locations/{self.location}/usages"


class ResourceManager:
    """Makes calls with a token, and none while Azure asks for a pause. Safe to use from many threads."""

    def __init__(
        self, place: Place, token: Callable[[], str], *, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._place, self._token, self._seconds = place, token, seconds
        self._sessions = threading.local()  # requests' sessions are not for several threads
        self._pause_until, self._pause_reason = 0.0, ""

    def find(self, name: str) -> Document | None:
        """Return a container group with its instance view, None if there is none."""
        try:
            return self._call("GET", f"{self._place.groups}/{name}")
        except NotFound:
            return None

    def create(self, name: str, body: Document) -> Document:
        """Ask for a container group; it is made behind the answer."""
        return self._call("PUT", f"{self._place.groups}/{name}", body)

    def stop(self, name: str) -> None:
        """End the containers of a group. Raises NotFound."""
        self._call("POST", f"{self._place.groups}/{name}/stop")

    def delete(self, name: str) -> None:
        """Delete a group, whatever it does; one that is not there is deleted."""
        try:
            self._call("DELETE", f"{self._place.groups}/{name}")
        except NotFound:
            return

    def groups(self) -> Iterator[Document]:
        """Yield every container group of the resource group, as a list tells of it: perhaps without instance views."""
        url = self._place.groups
        while url:
            page = self._call("GET", url)
            yield from page.get("value") or ()
            url = str(page.get("nextLink") or "")

    def log(self, name: str, container: str) -> str:
        """Return what Azure has of a container's log, each line behind its time. Raises NotFound."""
        url = f"{self._place.groups}/{name}/containers/{container}/logs"
        return str(self._call("GET", url, timestamps="true").get("content") or "")

    def usages(self) -> list[Document]:
        """Return the location's quotas and what is used of them."""
        return list(self._call("GET", self._place.usages).get("value") or ())

    def _call(self, method: str, url: str, body: Document | None = None, **query: str) -> Document:
        if self._seconds() < self._pause_until:
            raise ProviderUnavailable(self._pause_reason, "Azure has asked for a pause between calls; waiting")
        parameters = query if "api-version=" in url else {"api-version": API_VERSION, **query}
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            answer = self._session().request(
                method, url, params=parameters, json=body, headers=headers, timeout=TIMEOUT_SECONDS
            )
            document = answer.json() if answer.content else {}
        except requests.RequestException as error:  # also an answer that is no JSON
            raise ProviderUnavailable("Unavailable", f"Azure: {type(error).__name__}") from error
        if answer.status_code == 404:
            raise NotFound(url)
        if answer.status_code >= 400:
            raise self._refusal(answer.status_code, document, answer.headers)
        return document if isinstance(document, dict) else {}

    def _refusal(self, status: int, document: Document, headers: Mapping[str, str]) -> RefusedError:
        error = translated(status, document.get("error") or {})
        pause = headers.get("Retry-After", "")
        if status == 429 and pause.isdecimal():
            if float(pause) > SECONDS_ARE:
                error = ProviderUnavailable(
                    "QuotaExceeded", f"{error.message} (not before {pause} seconds have passed)"
                )
            else:
                # Of all calls: the bucket of reads and that of writes are not told apart.
                self._pause_until, self._pause_reason = self._seconds() + float(pause), error.reason
        return error

    def _session(self) -> requests.Session:
        if not hasattr(self._sessions, "session"):
            self._sessions.session = requests.Session()
        session: requests.Session = self._sessions.session
        return session


def translated(status: int, error: Mapping[str, Any]) -> RefusedError:
    """Return the provider error for one of Azure's."""
    code, said = str(error.get("code") or status), str(error.get("message") or "no message")
    reason = THROTTLED if status == 429 else passing(f"{code} {said}")
    if code in REJECTED:
        return TaskRejected(REJECTED[code], said)
    if reason or status >= 500 or status in (401, 403, 408, 409):
        return ProviderUnavailable(reason or "Unavailable", f"{code}: {said}")
    return TaskRejected(code, said)


def passing(text: str) -> str:
    """Return for what a refusal in these words makes one wait, "" where waiting does not help."""
    return next((reason for words, reason in PASSING if words in text.lower()), "")
