"""Checks bodies of container groups against Microsoft's own API description, as its generated models hold it.

azure-mgmt-containerinstance 10.1.0 (MIT), whose models are made of Azure/azure-rest-api-specs,
Microsoft.ContainerInstance 2023-05-01. What the description leaves to prose is checked in `rules`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]

SIMPLE: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "object": (object,),
}
ENUMS = {
    "properties.osType": "OperatingSystemTypes",
    "properties.restartPolicy": "ContainerGroupRestartPolicy",
    "properties.sku": "ContainerGroupSku",
    "properties.priority": "ContainerGroupPriority",
    "properties.ipAddress.type": "ContainerGroupIpAddressType",
    "properties.ipAddress.ports.protocol": "ContainerGroupNetworkProtocol",
    "properties.containers.properties.ports.protocol": "ContainerNetworkProtocol",
    "identity.type": "ResourceIdentityType",
}
GROUP_NAME = re.compile(r"(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
MAX_NAME, MAX_PORTS, MAX_CPU, MAX_GB, MAX_VOLUMES, MAX_CONTAINERS = 63, 5, 31, 240, 20, 60


def complaints(body: Document) -> list[str]:
    """Return what is wrong with a body, a sentence each."""
    from azure.mgmt.containerinstance import models

    return list(_differs(models, models.ContainerGroup, body, "")) or list(rules(body))


def _differs(models: Any, model: Any, document: Any, path: str) -> Iterator[str]:
    """Yield where a document is not as a model says. Any: generated classes, and whatever was sent."""
    fields = {each["key"]: (name, each["type"]) for name, each in model._attribute_map.items()}
    flat = _flattened(document, {key.partition(".")[0] for key in fields if "." in key})
    for key, value in flat.items():
        if key not in fields:
            yield f"{path}{key}: no such field"
            continue
        name, kind = fields[key]
        if model._validation.get(name, {}).get("readonly"):
            yield f"{path}{key}: read-only"
        yield from _is_no(models, kind, value, f"{path}{key}")
    for key, (name, _) in fields.items():
        if model._validation.get(name, {}).get("required") and flat.get(key) is None:
            yield f"{path}{key}: required"


def _flattened(document: Document, nested: set[str]) -> Document:
    found: Document = {}
    for key, value in document.items():
        found |= {f"{key}.{inner}": each for inner, each in value.items()} if key in nested else {key: value}
    return found


def _is_no(models: Any, kind: str, value: Any, path: str) -> Iterator[str]:
    if kind[0] in "[{":
        holds = list if kind[0] == "[" else dict
        if not isinstance(value, holds):
            yield f"{path}: not a {holds.__name__}"
            return
        for each in value.values() if isinstance(value, dict) else value:
            yield from _is_no(models, kind[1:-1], each, path)
    elif kind in SIMPLE:
        if not isinstance(value, SIMPLE[kind]) or (isinstance(value, bool) and kind in ("int", "float")):
            yield f"{path}: not of type {kind}"
        elif path in ENUMS and value not in {each.value for each in getattr(models, ENUMS[path])}:
            yield f"{path}: {value} is none of its values"
    elif not isinstance(value, dict):
        yield f"{path}: not an object"
    else:
        yield from _differs(models, getattr(models, kind), value, f"{path}.")


def rules(body: Document) -> Iterator[str]:
    """Yield what the documentation forbids (learn.microsoft.com, 2026-07, as the provider's facts have it)."""
    properties = body.get("properties") or {}
    address, volumes = properties.get("ipAddress") or {}, properties.get("volumes") or []
    mains, inits = properties.get("containers") or [], properties.get("initContainers") or []
    ports = [each.get("port") for each in address.get("ports") or ()]
    if properties.get("subnetIds") and address.get("type") != "Private":
        yield "a group in a subnet has a private address"
    if not 1 <= len(ports) <= MAX_PORTS or len(set(ports)) != len(ports):
        yield f"an address has one to {MAX_PORTS} ports, each once"
    if len(volumes) > MAX_VOLUMES or not 1 <= len(mains) + len(inits) <= MAX_CONTAINERS or not mains:
        yield "too many volumes or containers, or none"
    own = [port.get("port") for each in mains for port in each["properties"].get("ports") or ()]
    if not set(own) <= set(ports) or len(set(own)) != len(own):
        yield "a container's ports are those of the address, each once"
    requests = [(each["properties"].get("resources") or {}).get("requests") or {} for each in mains]
    if (
        sum(each.get("cpu", 0) for each in requests) > MAX_CPU
        or sum(each.get("memoryInGB", 0) for each in requests) > MAX_GB
    ):
        yield "more cpu or memory than a group may have"
    if any(round(each.get("memoryInGB", 0) * 10, 6) % 1 for each in requests):
        yield "memory comes in tenths of a GB"
    names = [each.get("name", "") for each in (*volumes, *mains, *inits)]
    if not all(GROUP_NAME.fullmatch(each) and len(each) <= MAX_NAME for each in names):
        yield f"a name is not one: {names}"
    yield from _container_rules([*mains, *inits], {each.get("name") for each in volumes})
    for each in volumes:
        if len(each.keys() - {"name"}) != 1:
            yield f"volume {each.get('name')} is not of one kind"
        for key, value in (each.get("secret") or {}).items():
            if "/" in key or not _is_base64(value):
                yield f"secret {each.get('name')}: {key} is no file"


def _container_rules(containers: list[Document], volumes: set[str]) -> Iterator[str]:
    for each in containers:
        properties = each["properties"]
        if not properties.get("image"):
            yield f"{each['name']} has no image"
        for variable in properties.get("environmentVariables") or ():
            if len(variable.keys() & {"value", "secureValue"}) != 1:
                yield f"{variable.get('name')} has one value"
        for mount in properties.get("volumeMounts") or ():
            if mount.get("name") not in volumes or ":" in mount.get("mountPath", ":"):
                yield f"{mount} mounts nothing"


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True
