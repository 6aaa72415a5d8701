"""Request bodies to objects: JSON, YAML or Kubernetes protobuf, checked against the kind's type.

Follows k8s.io/apiserver/pkg/endpoints/handlers (create.go, update.go, delete.go, rest.go:
transformDecodeError) and the codecs of k8s.io/apimachinery/pkg/runtime/serializer, v1.36, also in what they
say.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from chalicelib.apimachinery.decoding.decode_errors import explain, json_kind, normalize_or_explain, repeated_fields
from chalicelib.apimachinery.decoding.gotext import quote
from chalicelib.apimachinery.decoding.parsing import DecodeError, Pairs, parse_json, parse_yaml, plain
from chalicelib.apimachinery.decoding.protobuf import decode_protobuf
from chalicelib.apimachinery.rules.status import StatusError, bad_request, unsupported_media_type
from chalicelib.apimachinery.schema import find_type, named_type
from chalicelib.apimachinery.types import JSON

JSON_TYPE = "application/json"
YAML_TYPE = "application/yaml"
PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf"
BODY_TYPES = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]

Validation = Literal["Strict", "Warn", "Ignore"]

_SUMMARY = 30  # bytes of a body that a complaint about it quotes
_HEADER = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_SCHEME = "pkg/api/legacyscheme/scheme.go:30"
_OPTIONS_SCHEME = "pkg/apis/meta/internalversion/scheme/register.go:27"
_INTERNAL_PACKAGES = {"": "core", "rbac.authorization.k8s.io": "rbac"}


class Kind(NamedTuple):
    """Group, version and kind."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """The apiVersion as objects carry it: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.api_version}, Kind={self.kind}" if self.group else f"/{self.version}, Kind={self.kind}"


class Decoded(NamedTuple):
    """An object in the shape of its type, with kind and apiVersion, and what to warn the client of."""

    value: JSON
    warnings: list[str]


def media_type(content_type: str | None) -> str:
    """Return the media type of a Content-Type header, without parameters; JSON if there is none."""
    return (content_type or JSON_TYPE).split(";")[0].strip().lower() or JSON_TYPE


def decode_object(body: bytes, content_type: str | None, expected: Kind, *, validation: Validation = "Warn") -> Decoded:
    """Return the object of a POST or PUT, which must be of kind `expected`.

    Raises StatusError 400 (broken body, wrong kind or types, and with Strict unknown or repeated fields) or
    415.
    """
    try:
        raw = parse_body(body, content_type)
        actual = _kind_of(raw, expected)
    except DecodeError as error:
        what = f"the object provided is unrecognized (must be of type {expected.kind})"
        raise bad_request(f"{what}: {error} ({summary(body)})") from None
    kind = find_type(*expected)
    if actual.kind == expected.kind and actual != expected and find_type(*actual) is not None:
        raise bad_request(
            f"the API version in the data ({actual.api_version}) does not match"
            f" the expected API version ({expected.api_version})"
        )
    if actual != expected:
        raise _unhandled(actual, expected, _conversion_problem(actual, expected))
    try:
        if kind is not None:
            value, complaints = normalize_or_explain(raw, kind)
        else:  # a custom resource: its strategy checks the shape
            value, complaints = plain(raw) or {}, repeated_fields(raw)
    except DecodeError as error:
        raise _unhandled(actual, expected, str(error)) from None
    if complaints and validation == "Strict":
        raise _unhandled(actual, expected, f"strict decoding error: {', '.join(complaints)}")
    value["apiVersion"], value["kind"] = expected.api_version, expected.kind
    return Decoded(value, complaints if validation == "Warn" else [])


def decode_delete_options(body: bytes, content_type: str | None) -> JSON:
    """Return the DeleteOptions of a DELETE's body, {} if it has none; unknown fields are let pass.

    Raises StatusError 400 or 415.
    """
    if not body:
        return {}
    expected = Kind("", "v1", "DeleteOptions")
    try:
        raw = parse_body(body, content_type)
        actual = _kind_of(raw, expected)
    except DecodeError as error:
        raise bad_request(str(error)) from None
    if actual.kind != expected.kind:
        raise bad_request(_not_registered(actual, _OPTIONS_SCHEME))
    try:
        return explain(raw, named_type("meta.v1.DeleteOptions")).value
    except DecodeError as error:
        raise bad_request(str(error)) from None


def parse_body(body: bytes, content_type: str | None) -> Any:  # Any: a document
    """Return the document of a body by its media type; objects that repeat a field are Pairs.

    Raises DecodeError, or StatusError 415.
    """
    match media_type(content_type):
        case "application/json":
            try:
                return parse_json(body)
            except DecodeError as error:
                raise DecodeError(f"couldn't get version/kind; json parse error: {error}") from None
        case "application/yaml":
            return parse_yaml(body)
        case "application/vnd.kubernetes.protobuf":
            return decode_protobuf(body)
        case _:
            raise unsupported_media_type(BODY_TYPES)


def _kind_of(raw: object, default: Kind) -> Kind:
    """Return what a document says it is; what it leaves out is as `default` has it."""
    prefix = "couldn't get version/kind; json parse error: json: cannot unmarshal"
    if raw is None:
        return default
    if not isinstance(raw, dict | Pairs):
        raise DecodeError(f"{prefix} {json_kind(raw)} into Go value of type {_HEADER}")
    fields = dict(raw)
    for key in ("apiVersion", "kind"):
        if not isinstance(fields.get(key), str | None):
            raise DecodeError(f"{prefix} {json_kind(fields[key])} into Go struct field .{key} of type string")
    api_version, kind = fields.get("apiVersion") or "", fields.get("kind") or ""
    if api_version.count("/") > 1:
        raise DecodeError(f"unexpected GroupVersion string: {api_version}")
    group, _, version = api_version.rpartition("/")
    if not version and group in ("", default.group):
        group, version = default.group, default.version
    return Kind(group, version, kind or default.kind)


def _unhandled(actual: Kind, expected: Kind, why: str) -> StatusError:
    version = quote(actual.version)
    return bad_request(f"{actual.kind} in version {version} cannot be handled as a {expected.kind}: {why}")


def _conversion_problem(actual: Kind, expected: Kind) -> str:
    if find_type(*actual) is None:
        return _not_registered(actual, _SCHEME)
    package = _INTERNAL_PACKAGES.get(expected.group) or expected.group.split(".")[0]
    return f"converting ({actual.version}.{actual.kind}) to ({package}.{expected.kind}): unknown conversion"


def kind_problem(document: object, expected: Kind) -> str:
    """Return why a document cannot become an object of kind `expected`, "" if its kind and apiVersion allow it."""
    try:
        actual = _kind_of(document, expected)
    except DecodeError as error:
        return str(error)
    return "" if actual == expected else _conversion_problem(actual, expected)


def _not_registered(actual: Kind, scheme: str) -> str:
    version = quote(actual.api_version)
    return f'no kind {quote(actual.kind)} is registered for version {version} in scheme "{scheme}"'


def summary(body: bytes) -> str:
    """Return the start of a body as complaints quote it: text if it looks like JSON, else in hexadecimal."""
    if not body:
        return "<empty>"
    start = body[:_SUMMARY]
    shown = start.decode("utf-8", "replace") if body.startswith(b"{") else start.hex()
    return f"{shown} ..." if len(body) > _SUMMARY else shown
