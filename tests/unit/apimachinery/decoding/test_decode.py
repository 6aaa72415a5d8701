"""Bodies of requests: what they become, and what a real server says of those that will not do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.decoding.decode import Decoded, Kind, Validation, decode_delete_options, decode_object
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON

POD = Kind("", "v1", "Pod")
GOOD: JSON = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
HEADER = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
UNRECOGNIZED = "the object provided is unrecognized (must be of type Pod): "
PARSE_ERROR = UNRECOGNIZED + "couldn't get version/kind; json parse error: "


def decode(body: str, *, validation: Validation = "Warn", expected: Kind = POD) -> Decoded:
    return decode_object(body.encode(), "application/json", expected, validation=validation)


def refusal(body: str, *, validation: Validation = "Warn") -> str:
    with pytest.raises(StatusError) as caught:
        decode(body, validation=validation)
    assert caught.value.code == 400
    return caught.value.message


def test_good_body_becomes_the_object() -> None:
    assert decode(json.dumps(GOOD)) == (GOOD, [])


@pytest.mark.parametrize("body", ["{}", "null", '{"kind":null}', '{"kind":"Pod"}', '{"apiVersion":"v1"}'])
def test_kind_and_version_may_be_left_out(body: str) -> None:
    assert decode(body).value == {"apiVersion": "v1", "kind": "Pod"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", PARSE_ERROR + "unexpected end of JSON input ({)"),
        ("", PARSE_ERROR + "unexpected end of JSON input (<empty>)"),
        ("[]", PARSE_ERROR + f"json: cannot unmarshal array into Go value of type {HEADER} (5b5d)"),
        ('"x"', PARSE_ERROR + f"json: cannot unmarshal string into Go value of type {HEADER} (227822)"),
        (
            '{"kind":5}',
            PARSE_ERROR + 'json: cannot unmarshal number into Go struct field .kind of type string ({"kind":5})',
        ),
        (
            '{"apiVersion": "v1", "kind": "Pod"} x',
            PARSE_ERROR + 'invalid JSON: Extra data: line 1 column 37 (char 36) ({"apiVersion": "v1", "kind": " ...)',
        ),
        ('{"apiVersion":"a/b/c"}', UNRECOGNIZED + 'unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c"})'),
    ],
)
def test_broken_bodies_are_quoted(body: str, message: str) -> None:
    assert refusal(body) == message


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (
            {"kind": "Service"},
            'Service in version "v1" cannot be handled as a Pod:'
            " converting (v1.Service) to (core.Pod): unknown conversion",
        ),
        (
            {"kind": "Nope"},
            'Nope in version "v1" cannot be handled as a Pod: no kind "Nope" is registered for version "v1"'
            ' in scheme "pkg/api/legacyscheme/scheme.go:30"',
        ),
        (
            {"apiVersion": "apps/v9"},
            'Pod in version "v9" cannot be handled as a Pod: no kind "Pod" is registered'
            ' for version "apps/v9" in scheme "pkg/api/legacyscheme/scheme.go:30"',
        ),
    ],
)
def test_other_kinds_are_refused_by_name(head: JSON, message: str) -> None:
    assert refusal(json.dumps({**GOOD, **head})) == message


def test_same_kind_of_another_group_names_both_versions() -> None:
    with pytest.raises(StatusError) as caught:
        decode('{"apiVersion":"events.k8s.io/v1","kind":"Event"}', expected=Kind("", "v1", "Event"))

    assert caught.value.message == (
        "the API version in the data (events.k8s.io/v1) does not match the expected API version (v1)"
    )


def test_wrong_type_is_told_with_the_decoders_words() -> None:
    assert refusal('{"apiVersion":"v1","kind":"Pod","spec":{"restartPolicy":5}}') == (
        'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field'
        " PodSpec.spec.restartPolicy of type v1.RestartPolicy"
    )


ODD = '{"spec":{"nope":1,"containers":[{"name":"c","zzz":{}}]},"metadata":{"name":"d","name":"e"}}'
COMPLAINTS = ['unknown field "spec.nope"', 'unknown field "spec.containers[0].zzz"', 'duplicate field "metadata.name"']


def test_odd_fields_are_warned_of() -> None:
    found = decode(ODD)

    assert found.warnings == COMPLAINTS
    assert found.value["metadata"] == {"name": "e"}
    assert found.value["spec"] == {"containers": [{"name": "c"}]}


def test_odd_fields_are_refused_when_strict() -> None:
    assert refusal(ODD, validation="Strict") == (
        f'Pod in version "v1" cannot be handled as a Pod: strict decoding error: {", ".join(COMPLAINTS)}'
    )


def test_odd_fields_pass_when_ignored() -> None:
    assert decode(ODD, validation="Ignore").warnings == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "x"])
def test_other_media_types_are_named(content_type: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode_object(b"{}", content_type, POD)

    assert caught.value.code == 415
    assert caught.value.message.endswith("json, application/yaml, application/vnd.kubernetes.protobuf")


@pytest.mark.parametrize("content_type", [None, "", "application/json;charset=utf-8", "Application/JSON"])
def test_json_is_the_default(content_type: str | None) -> None:
    assert decode_object(b"{}", content_type, POD).value["kind"] == "Pod"


def test_delete_options_are_read() -> None:
    body = b'{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0,"nope":1}'

    assert decode_delete_options(body, None)["gracePeriodSeconds"] == 0
    assert decode_delete_options(b"", None) == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "couldn't get version/kind; json parse error: unexpected end of JSON input"),
        (
            b'{"apiVersion":"v1","kind":"Pod"}',
            'no kind "Pod" is registered for version "v1"'
            ' in scheme "pkg/apis/meta/internalversion/scheme/register.go:27"',
        ),
        (
            b'{"gracePeriodSeconds":"x"}',
            "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
        ),
    ],
)
def test_bad_delete_options_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode_delete_options(body, None)

    assert (caught.value.code, caught.value.message) == (400, message)


@given(st.binary())
def test_bytes_give_an_object_or_a_status(body: bytes) -> None:
    try:
        found = decode_object(body, None, POD)
    except StatusError as error:
        assert error.code == 400  # noqa: PT017
    else:
        assert found.value["kind"] == "Pod"
