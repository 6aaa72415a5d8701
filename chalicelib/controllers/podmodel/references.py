"""What a pod refers to, and what of it is not there yet: the wait of a kubelet, in words.

Wordings: kubernetes/pkg/kubelet (v1.36), kubelet_pods.go, volumemanager, and the scheduler's VolumeBinding.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field

from chalicelib.apimachinery.accessors import metadata_of, owners_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.family import owners_above
from chalicelib.controllers.runtime.objects import Lookup
from chalicelib.providers.base import TaskRejected
from chalicelib.storage.keys import parse_key

MOUNT, CONFIG, SCHEDULE = "FailedMount", "Failed", "FailedScheduling"  # reasons of a waiting pod's Event


class PodRejected(TaskRejected):
    """This pod cannot run here as it is: no task can be made of it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing a pod waits for: the Event's reason and message, and the object whose write may end it.

    `container` is set where only one container waits (its CreateContainerConfigError); else all do.
    """

    event: str
    message: str
    resource: str
    name: str
    container: str = ""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Which token a pod wants: of what account, for whom, and for how long (None: the issuer's choice)."""

    namespace: str
    service_account: str
    pod_name: str
    pod_uid: str
    audience: str = ""
    expiration_seconds: int | None = None


IssueToken = Callable[[TokenRequest, Lookup], str]  # raises LookupError while there is no such account


@dataclass(slots=True)
class References:
    """Reads what one pod refers to, once each, and collects what is missing.

    A pod that another one owns, as a driver its executors, gets nothing that belongs to a third.
    """

    pod: JSON
    lookup: Lookup
    missing: list[Missing] = field(default_factory=list)
    _found: dict[tuple[str, str], JSON | None] = field(default_factory=dict)

    def find(self, resource: str, name: str) -> JSON | None:
        """Return the object of the pod's namespace, or None. Raises PodRejected for what belongs to another pod."""
        key = (resource, name)
        if key not in self._found:
            found = self.lookup.find(resource, self.namespace, name)
            if found is not None and owners_of(found) and owners_of(self.pod):
                self._check_family(resource, found)
            self._found[key] = found
        return self._found[key]

    @property
    def namespace(self) -> str:
        """Return the pod's namespace."""
        return metadata_of(self.pod).get("namespace") or ""

    def _check_family(self, resource: str, found: JSON) -> None:
        ours, theirs = ({each.get("uid") for each in owners_of(obj)} for obj in (self.pod, found))
        if ours & theirs:
            return  # an owner of both
        pods, others = self._owning_pods(self.pod), self._owning_pods(found)
        if pods and others and others.isdisjoint(pods | {self.pod["metadata"]["uid"]}):
            name = found["metadata"]["name"]
            raise PodRejected("Forbidden", f'{kind_word(resource)} "{name}" belongs to another application')

    def _owning_pods(self, obj: JSON) -> set[str]:
        """Return the uids of the pods above an object, whatever stands between; an owner that is gone may be one."""
        above = owners_above(obj, self.lookup.find_by_uid, through=lambda _: True)
        return {uid for uid, stored in above if stored is None or parse_key(stored.key)[0] == "pods"}

    def texts(self, resource: str, name: str) -> dict[str, bytes] | None:
        """Return what variables may be taken from, without a ConfigMap's binaryData; None if there is none."""
        obj = self.find(resource, name)
        return None if obj is None else entries(resource, {**obj, "binaryData": {}})

    def data(self, resource: str, name: str) -> dict[str, bytes] | None:
        """Return all entries of a ConfigMap or Secret as bytes, in key order; None if there is none."""
        obj = self.find(resource, name)
        return None if obj is None else entries(resource, obj)


def entries(resource: str, obj: JSON) -> dict[str, bytes]:
    """Return the entries of a ConfigMap or a Secret, decoded, in key order."""
    plain, encoded = ("data", "binaryData") if resource == "configmaps" else ("stringData", "data")
    found = {key: str(value).encode() for key, value in (obj.get(plain) or {}).items()}
    for key, value in (obj.get(encoded) or {}).items():
        try:
            found[key] = base64.b64decode(value or "")
        except (binascii.Error, ValueError):
            found[key] = b""  # the API refuses such values; an empty file is what is left of one
    return dict(sorted(found.items()))


def kind_word(resource: str) -> str:
    """Return the word a kubelet uses in its messages: configmap, secret."""
    return {"configmaps": "configmap", "secrets": "secret"}.get(resource, resource)


def key_owner(resource: str) -> str:
    """Return the word a kubelet uses for what lacks a key: ConfigMap, Secret."""
    return {"configmaps": "ConfigMap", "secrets": "Secret"}.get(resource, resource)
