"""CustomResourceDefinitions.

Compare k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation and .../registry/customresourcedefinition,
v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, spec_of, status_of
from chalicelib.apimachinery.decoding.decode_errors import explain
from chalicelib.apimachinery.decoding.parsing import DecodeError
from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.causes import forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.schema import named_type
from chalicelib.apimachinery.structural import EMBEDDED, INT_OR_STRING, PRESERVES, json_path, patterns
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import CREATED_COLUMNS, Strategy
from chalicelib.registry.subresources import StatusStrategy

DEFINITIONS = "customresourcedefinitions"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"  # the finalizer of a definition that goes
SCOPES = ("Cluster", "Namespaced")
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
APPROVAL = "api-approved.kubernetes.io"
PROTECTED = (".k8s.io", ".kubernetes.io")
SCHEMA_TYPE = "apiextensions.v1.JSONSchemaProps"
MAX_DEPTH = 100  # of a schema


class CustomResourceDefinitionStrategy(Strategy):
    """apiextensions.k8s.io/v1 customresourcedefinitions. A controller accepts their names and empties what goes."""

    unconditional_update = False
    group, resource = "apiextensions.k8s.io", DEFINITIONS
    singular, kind = "customresourcedefinition", "CustomResourceDefinition"
    namespaced = False
    short_names, categories = ("crd", "crds"), ("api-extensions",)
    has_generation = True
    status = StatusStrategy()
    columns = CREATED_COLUMNS
    empty: ClassVar[JSON] = {
        "spec": {"group": "", "names": {"plural": "", "kind": ""}, "scope": "", "versions": None},
        "status": {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None},
    }

    def default(self, obj: JSON) -> None:
        """Set conversion, and what can be told of the names."""
        spec = obj["spec"] = spec_of(obj)
        for key in ("group", "scope"):
            spec.setdefault(key, "")
        spec["versions"] = spec.get("versions") or []
        for version in spec["versions"]:
            version["name"] = version.get("name", "")
            version["served"], version["storage"] = bool(version.get("served")), bool(version.get("storage"))
        named = spec["names"] = spec.get("names") or {}
        named.setdefault("plural", "")
        named.setdefault("kind", "")
        if named["kind"]:
            named["singular"] = named.get("singular") or named["kind"].lower()
            named["listKind"] = named.get("listKind") or f"{named['kind']}List"
        spec["conversion"] = spec.get("conversion") or {}
        spec["conversion"]["strategy"] = spec["conversion"].get("strategy") or "None"

    def prepare_for_create(self, obj: JSON) -> None:
        """Set the status of a definition that is not accepted yet."""
        stored = [each["name"] for each in obj["spec"]["versions"] if each.get("storage")]
        obj["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep status, and add a new storage version to those that objects may be stored in."""
        status = dict(status_of(old))
        stored = list(status.get("storedVersions") or [])
        new = [each["name"] for each in obj["spec"]["versions"] if each.get("storage")]
        obj["status"] = {**status, "storedVersions": stored + [each for each in new if each not in stored]}

    def begin_deletion(self, obj: JSON, now: datetime) -> bool:
        """Mark, in place, a definition whose objects must be deleted before it goes itself."""
        metadata = obj["metadata"]
        if is_deleting(obj):
            return False
        metadata["deletionTimestamp"] = kubetime.format_time(now)
        kept = list(metadata.get("finalizers") or [])
        metadata["finalizers"] = kept if CLEANUP in kept else [*kept, CLEANUP]
        status = status_of(obj)
        terminating = {
            "type": "Terminating",
            "status": "True",
            "lastTransitionTime": metadata["deletionTimestamp"],
            "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        }
        obj["status"] = {**status, "conditions": [*(status.get("conditions") or []), terminating]}
        return True

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with names, scope, versions and schemas."""
        spec, name = obj["spec"], obj["metadata"].get("name", "")
        plural, group = spec["names"]["plural"], spec["group"]
        if name != f"{plural}.{group}":
            yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
        yield from _group_causes(obj, group)
        if spec["scope"] not in SCOPES:
            yield (not_supported("spec.scope", spec["scope"], SCOPES) if spec["scope"] else required("spec.scope"))
        yield from _name_causes(spec["names"])
        if spec["conversion"].get("strategy") != "None":
            yield invalid("spec.conversion.strategy", spec["conversion"].get("strategy", ""), "only None is served")
        if spec.get("preserveUnknownFields"):
            why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in"
            why += " spec.versions[*].schema instead"
            yield invalid("spec.preserveUnknownFields", True, why)
        yield from _versions_causes(spec["versions"])

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold group and scope, and the names of the resource."""
        spec, before = obj["spec"], old["spec"]
        for key in ("group", "scope"):
            yield from _immutable(f"spec.{key}", spec[key], before[key])
        for key in ("plural", "kind"):
            yield from _immutable(f"spec.names.{key}", spec["names"][key], before["names"][key])
        yield from self.validate(obj)

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Say that rules in CEL, and patterns where RE2 is missing, are kept but not evaluated."""
        ignored = ["x-kubernetes-validations", *([] if patterns.is_available() else ["pattern"])]
        for index, version in enumerate(obj["spec"]["versions"]):
            for rule in ignored:
                if f"'{rule}':" in str(version.get("schema")):
                    at = f"spec.versions[{index}].schema.openAPIV3Schema"
                    yield f"{at}: {rule} is not evaluated by this server"


def _immutable(field: str, new: object, old: object) -> list[Cause]:
    return [] if new == old else [invalid(field, new, "field is immutable")]


def _group_causes(obj: JSON, group: str) -> Iterator[Cause]:
    if not group:
        yield required("spec.group")
        return
    for error in names.dns_subdomain_errors(group):
        yield invalid("spec.group", group, error)
    if "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")
    approved = annotations_of(obj).get(APPROVAL)
    if not approved and any(f".{group}".endswith(each) for each in PROTECTED):
        where = f"metadata.annotations[{APPROVAL}]"
        yield required(
            where,
            "protected groups must have approval annotation"
            f' "{APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111',
        )


def _name_causes(named: JSON) -> Iterator[Cause]:
    for key in ("plural", "singular", "kind", "listKind"):
        value = named.get(key, "")
        if not value:
            if key in ("plural", "kind"):
                yield required(f"spec.names.{key}")
            continue
        for error in names.dns1035_label_errors(value.lower()):
            yield invalid(f"spec.names.{key}", value, error)
    for index, short in enumerate(named.get("shortNames") or ()):
        for error in names.dns1035_label_errors(short):
            yield invalid(f"spec.names.shortNames[{index}]", short, error)
    if named["kind"] and named["kind"] == named.get("listKind"):
        yield invalid("spec.names.listKind", named["listKind"], "kind and listKind may not be the same")


def _versions_causes(versions: list[JSON]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, version in enumerate(versions):
        at = f"spec.versions[{index}]"
        name = version.get("name", "")
        for error in names.dns1035_label_errors(name):
            yield invalid(f"{at}.name", name, error)
        if name in seen:
            yield invalid(f"{at}.name", name, "must contain unique version names")
        seen.add(name)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not schema:
            yield required(f"{at}.schema.openAPIV3Schema", "schemas are required")
        else:
            yield from schema_causes(schema, f"{at}.schema.openAPIV3Schema", is_root=True)
        yield from _column_causes(version, at)
    if sum(bool(each.get("storage")) for each in versions) != 1:
        yield invalid("spec.versions", versions, "must have exactly one version marked as storage version")


def _column_causes(version: JSON, at: str) -> Iterator[Cause]:
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        where = f"{at}.additionalPrinterColumns[{index}]"
        if not column.get("name"):
            yield required(f"{where}.name")
        if column.get("type") not in COLUMN_TYPES:
            yield invalid(f"{where}.type", column.get("type", ""), f"must be one of {','.join(COLUMN_TYPES)}")
        if not column.get("jsonPath"):
            yield required(f"{where}.jsonPath")
        try:
            json_path.parse(column.get("jsonPath", ""))
        except json_path.PathError as error:
            yield invalid(f"{where}.jsonPath", column.get("jsonPath", ""), f"is an invalid JSON path: {error}")


def schema_causes(
    schema: Any, at: str, *, is_root: bool = False, is_raw: bool = False, depth: int = 0
) -> Iterator[Cause]:
    # Any: parts of a schema are whatever JSON the client sent
    if not isinstance(schema, dict):
        yield invalid(at, schema, "must be a schema")
        return
    if depth > MAX_DEPTH:
        yield forbidden(at, f"schemas may be nested {MAX_DEPTH} deep")
        return
    if is_root or is_raw:  # what the decoder has not looked into
        try:
            explain(schema, named_type(SCHEMA_TYPE))
        except DecodeError as error:
            yield invalid(at, "", str(error))
            return
    yield from _type_causes(schema, at, is_root=is_root, depth=depth)
    for key, below in (schema.get("properties") or {}).items():
        if is_root and key in ("apiVersion", "kind", "metadata"):
            continue
        yield from schema_causes(below, f"{at}.properties[{key}]", depth=depth + 1)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from schema_causes(schema[key], f"{at}.{key}", is_raw=True, depth=depth + 1)
    # the schemas of allOf and its like need no types of their own
    below = [(f"{at}.not", schema["not"])] if schema.get("not") else []
    for key in ("allOf", "anyOf", "oneOf"):
        below += [(f"{at}.{key}[{index}]", each) for index, each in enumerate(schema.get(key) or ())]
    for where, each in below:
        typed = {PRESERVES: True, **each} if isinstance(each, dict) else each
        yield from schema_causes(typed, where, depth=depth + 1)


def _type_causes(schema: JSON, at: str, *, is_root: bool, depth: int) -> Iterator[Cause]:
    """Yield what is wrong with the type of one schema, and with what does not go with it."""
    kind = schema.get("type")
    if is_root and kind != "object":
        yield invalid(f"{at}.type", kind or "", "must be object at the root")
    elif not kind and not schema.get(PRESERVES) and not schema.get(INT_OR_STRING):
        what = "object fields" if depth else "root"
        yield required(f"{at}.type", f"must not be empty for specified {what}")
    if schema.get("pattern"):
        try:
            patterns.check(schema["pattern"])
        except patterns.PatternError as error:
            why = f"must be a valid regular expression, but isn't: {error}"
            yield invalid(f"{at}.pattern", schema["pattern"], why)
    items = schema.get("items")
    if items and not isinstance(items, dict):
        yield forbidden(f"{at}.items", "items must be a schema object and not an array")
    elif kind == "array" and not isinstance(items, dict):
        yield required(f"{at}.items", "must be specified")
    if schema.get("uniqueItems"):
        yield forbidden(
            f"{at}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        )
    if schema.get("properties") and isinstance(schema.get("additionalProperties"), dict):
        yield forbidden(f"{at}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if schema.get(EMBEDDED) and kind != "object":
        yield invalid(f"{at}.type", kind or "", "must be object if x-kubernetes-embedded-resource is true")
