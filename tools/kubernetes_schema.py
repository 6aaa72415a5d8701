"""Make chalicelib/apimachinery/data out of a published Kubernetes OpenAPI schema.

The source is the PyPI package kubernetes-validate, whose wheel holds the OpenAPI definitions of each
Kubernetes version with their x-kubernetes extensions. To remake the data:

    pip download --no-deps kubernetes-validate==1.37.0
    python -m tools.kubernetes_schema kubernetes_validate-1.37.0-py3-none-any.whl

Two files come out, the same bytes for the same wheel: openapi.json.gz holds the definitions as a server
publishes them (/openapi), types.json.gz what decoding, patching and applying need of them.
"""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.go_types import NAMES, POINTERS, REQUIRED_POINTERS, VALUES

Definition = dict[str, Any]  # one OpenAPI schema: JSON of many shapes

VERSION = "v1.36.0"
DATA = Path(__file__).resolve().parent.parent / "chalicelib" / "apimachinery" / "data"
DEFINITIONS = f"kubernetes_validate/kubernetes-json-schema/{VERSION}-local/_definitions.json"

# What we serve, and what clients ask a schema for: per group and version, the kinds. Lists come by
# themselves.
KINDS = {
    "core.v1": "Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume"
    " PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service"
    " ServiceAccount",
    "admissionregistration.v1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "apiextensions.v1": "CustomResourceDefinition",
    "apps.v1": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "authentication.v1": "SelfSubjectReview TokenRequest TokenReview",
    "authorization.v1": "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    "autoscaling.v1": "HorizontalPodAutoscaler Scale",
    "autoscaling.v2": "HorizontalPodAutoscaler",
    "batch.v1": "CronJob Job",
    "coordination.v1": "Lease",
    "discovery.v1": "EndpointSlice",
    "events.v1": "Event",
    "networking.v1": "Ingress IngressClass NetworkPolicy",
    "policy.v1": "Eviction PodDisruptionBudget",
    "rbac.v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "scheduling.v1": "PriorityClass",
    "storage.v1": "StorageClass",
}
META = (
    "APIGroup APIGroupList APIResourceList APIVersions Condition DeleteOptions LabelSelector ListMeta"
    " ObjectMeta Patch Status WatchEvent"
)
# Groups whose definitions have another name in front than io.k8s.api.
OTHER_PREFIXES = {"apiextensions.v1": "io.k8s.apiextensions-apiserver.pkg.apis."}
PREFIXES = (*OTHER_PREFIXES.values(), "io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apimachinery.pkg.")
LEAVES = {
    "api.resource.Quantity": "quantity",
    "meta.v1.Time": "time",
    "meta.v1.MicroTime": "microtime",
    "meta.v1.FieldsV1": "raw",
    "runtime.RawExtension": "raw",
    "util.intstr.IntOrString": "intstr",
    "apiextensions.v1.JSON": "raw",
    "apiextensions.v1.JSONSchemaPropsOrArray": "raw",
    "apiextensions.v1.JSONSchemaPropsOrBool": "raw",
    "apiextensions.v1.JSONSchemaPropsOrStringArray": "raw",
}
FORMATS = {"int32": "int32", "int64": "int64", "byte": "bytes", "double": "float", "date-time": "time"}


def short(name: str) -> str:
    """Return a definition's name without what they all begin with: `core.v1.PodSpec`."""
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def as_published(schema: Any) -> Any:  # Any: walks JSON
    """Undo what the package did: null as a type, reference roots of its own, unions of types."""
    if isinstance(schema, list):
        return [as_published(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: as_published(value) for key, value in schema.items()}
    if isinstance(out.get("type"), list):
        out["type"] = next(kind for kind in out["type"] if kind != "null")
    if isinstance(out.get("enum"), list):
        out["enum"] = [value for value in out["enum"] if value is not None]
    if isinstance(out.get("$ref"), str):
        out["$ref"] = out["$ref"].replace("#/$defs/", "#/definitions/")
    if isinstance(out.get("oneOf"), list):
        kinds = {choice.get("type") for choice in out.pop("oneOf")}
        out["type"] = "string"
        if "integer" in kinds:
            out["format"] = "int-or-string"
    return out


def references(schema: Any) -> Iterator[str]:  # Any: walks JSON
    """Yield the names of all definitions that a schema mentions."""
    if isinstance(schema, list):
        for item in schema:
            yield from references(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):  # a schema of schemas has a field of that name
                yield value.rsplit("/", 1)[1]
            else:
                yield from references(value)


def reachable(definitions: dict[str, Definition], roots: Iterable[str]) -> dict[str, Definition]:
    """Return the definitions that the roots need, themselves included, in order of name."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(references(definitions[name]))
    return {name: as_published(definitions[name]) for name in sorted(found)}


def roots(definitions: dict[str, Definition]) -> list[str]:
    """Return the names of the kinds served and of their lists."""
    names = [f"io.k8s.apimachinery.pkg.apis.meta.v1.{kind}" for kind in META.split()]
    for group, kinds in KINDS.items():
        start = OTHER_PREFIXES.get(group, "io.k8s.api.") + group
        for kind in kinds.split():
            names.append(f"{start}.{kind}")
            if f"{start}.{kind}List" in definitions:
                names.append(f"{start}.{kind}List")
    return names


def field_of(owner: str, name: str, schema: Definition, *, required: bool) -> Definition:
    """Return one field as types.json holds it; schema.Field tells what the keys mean."""
    kind, container, inner = "", "", schema
    if schema.get("type") == "array":
        container, inner = "list", schema["items"]
    elif "additionalProperties" in schema:
        container, inner = "map", schema["additionalProperties"]
    field: Definition = {}
    if inner.get("type") == "array":  # a map of lists of strings: UserInfo.extra and its like
        kind = "strings"
    elif "$ref" in inner:
        target = short(inner["$ref"].rsplit("/", 1)[1])
        kind = LEAVES.get(target, "struct")
        if kind == "struct":
            field["ref"] = target
    elif inner.get("type") == "object" or "type" not in inner:  # a schema within a CustomResourceDefinition
        kind = "raw"
    else:
        plain = {"boolean": "bool", "number": "float", "integer": "int64"}
        kind = str(FORMATS.get(inner.get("format", ""), plain.get(inner["type"], inner["type"])))
    field["kind"] = kind
    if container:
        field["in"] = container
    if (owner, name) in NAMES:
        field["go"] = NAMES[owner, name]
    optional_struct = kind == "struct" and not container
    if required or optional_struct or (owner, name) in POINTERS | VALUES:
        field["keep"] = 1
    part = optional_struct and name in ("metadata", "spec", "status")
    if part or (owner, name) in VALUES or (required and (owner, name) not in REQUIRED_POINTERS):
        field["always"] = 1
    for key, extension in (
        ("list", "x-kubernetes-list-type"),
        ("keys", "x-kubernetes-list-map-keys"),
        ("map", "x-kubernetes-map-type"),
        ("mergeKey", "x-kubernetes-patch-merge-key"),
        ("patch", "x-kubernetes-patch-strategy"),
    ):
        if extension in schema:
            field[key] = schema[extension]
    return field


def types_of(definitions: dict[str, Definition]) -> Definition:
    """Return the content of types.json."""
    types: Definition = {}
    kinds: dict[str, str] = {}
    for name, schema in definitions.items():
        if short(name) in LEAVES:
            continue
        needed = set(schema.get("required", ()))
        owner = name.rsplit(".", 1)[1]
        fields = {
            field: field_of(owner, field, inner, required=field in needed)
            for field, inner in schema.get("properties", {}).items()
        }
        types[short(name)] = {"fields": fields}
        if schema.get("x-kubernetes-map-type") == "atomic":
            types[short(name)]["atomic"] = 1
        for gvk in schema.get("x-kubernetes-group-version-kind", ()):
            if owner == gvk["kind"] and "meta.v1" not in name:
                kinds["/".join((gvk["group"], gvk["version"], gvk["kind"]))] = short(name)
    return {"kinds": kinds, "types": types}


def check_tables(types: Definition) -> None:
    """Refuse a row of go_types that the schema does not know: a slip, or a field that went away."""
    known = {(name.rsplit(".", 1)[1], field) for name, kind in types.items() for field in kind["fields"]}
    strangers = sorted((POINTERS | VALUES | REQUIRED_POINTERS | NAMES.keys()) - known)
    if strangers:
        raise SystemExit(f"go_types names what the schema does not have: {strangers}")


def write(path: Path, content: Definition) -> None:
    """Write gzipped JSON, without a time inside, so that the same content gives the same bytes."""
    text = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    path.write_bytes(gzip.compress(text, compresslevel=9, mtime=0))
    print(f"{path.name}: {len(text)} bytes, {path.stat().st_size} compressed")


def main(wheel: str) -> None:
    """Read the wheel and write both files."""
    with zipfile.ZipFile(wheel) as archive:
        definitions = json.loads(archive.read(DEFINITIONS))["$defs"]
    served = reachable(definitions, roots(definitions))
    types = types_of(served)
    check_tables(types["types"])
    source = {"package": Path(wheel).name, "kubernetes": VERSION}
    DATA.mkdir(exist_ok=True)
    write(DATA / "openapi.json.gz", {"source": source, "definitions": served})
    write(DATA / "types.json.gz", {"source": source, **types})


if __name__ == "__main__":
    main(sys.argv[1])
