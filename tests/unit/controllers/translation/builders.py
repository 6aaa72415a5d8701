"""What the tests of translations share: stored objects, a node, and the task of a pod."""

from __future__ import annotations

import base64
import json
from typing import Any

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import TokenRequest
from chalicelib.controllers.runtime.objects import Lookup
from chalicelib.controllers.translation.task import Node, Translation, translate
from chalicelib.providers.base import Container, Task
from chalicelib.storage.base import StoredObject
from chalicelib.storage.keys import object_key


class Objects:
    """A Lookup over a dict of (resource, name) in namespace `ns`."""

    def __init__(self, objects: dict[tuple[str, str], JSON]) -> None:
        self._objects = objects
        for (_, name), obj in objects.items():
            obj.setdefault("metadata", {"name": name, "namespace": "ns", "uid": f"uid-of-{name}"})

    def find(self, resource: str, namespace: str, name: str) -> JSON | None:
        return self._objects.get((resource, name)) if namespace in ("ns", "spark") else None

    def find_by_uid(self, uid: str) -> StoredObject | None:
        """Return the object of that uid; its revision is nobody's concern here."""
        for (resource, name), obj in self._objects.items():
            if obj["metadata"].get("uid") == uid:
                return StoredObject(object_key(resource, obj["metadata"]["namespace"], name), 1, json.dumps(obj))
        return None

    def now(self) -> Objects:
        """Return itself: nothing here changes."""
        return self

    def over(self, reader: object) -> Objects:
        """Return itself, whatever the reader."""
        del reader
        return self

    def mentioning(self, resource: str, namespace: str, texts: object) -> list[JSON]:
        del namespace, texts
        return [obj for (kind, _), obj in self._objects.items() if kind == resource]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


OBJECTS: dict[tuple[str, str], JSON] = {
    ("configmaps", "settings"): {"data": {"A": "1", "B": "2"}, "binaryData": {"BIN": encoded("\0\1")}},
    ("configmaps", "odd"): {"data": {"x=y": "1", "with space": "2"}},
    ("secrets", "keys"): {"data": {"USER": encoded("me"), "PASSWORD": encoded("secret")}},
    ("secrets", "login"): {
        "data": {".dockerconfigjson": encoded(json.dumps({"auths": {"r.example": {"auth": encoded("u:p")}}}))}
    },
    ("persistentvolumeclaims", "data"): {"spec": {"resources": {"requests": {"storage": "10Gi"}}}},
    ("serviceaccounts", "spark"): {"imagePullSecrets": [{"name": "login"}]},
    ("serviceaccounts", "quiet"): {"automountServiceAccountToken": False},
    ("serviceaccounts", "reader"): {
        "metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/reader"}}
    },
}


def node(**fields: Any) -> Node:  # Any: fields of Node
    lookup: Lookup = Objects(json_copy(OBJECTS))
    return Node("fake", fields.pop("lookup", lookup), **fields)


def json_copy(objects: dict[tuple[str, str], JSON]) -> dict[tuple[str, str], JSON]:
    return {key: json.loads(json.dumps(obj)) for key, obj in objects.items()}


def task_of(obj: JSON, on: Node | None = None) -> Task:
    translation = translate(obj, on or node())
    assert translation.task is not None, translation.missing
    return translation.task


def only(task: Task) -> Container:
    (found,) = task.containers
    return found


def missing_of(translation: Translation) -> list[tuple[str, str, str]]:
    assert translation.task is None
    return [(each.event, each.message, each.container) for each in translation.missing]


def asking(request: TokenRequest, lookup: Lookup) -> str:
    del lookup
    return f"token of {request.service_account} for {request.audience or 'us'} {request.expiration_seconds}"
