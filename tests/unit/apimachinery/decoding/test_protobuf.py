"""Kubernetes protobuf: what kubectl sends, and whatever else may come."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.decoding import protobuf
from chalicelib.apimachinery.decoding.decode import PROTOBUF_TYPE, Kind, decode_delete_options, decode_object
from chalicelib.apimachinery.decoding.parsing import DecodeError
from chalicelib.apimachinery.decoding.protobuf import MAGIC, decode_protobuf
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.schema import named_type
from chalicelib.apimachinery.types import JSON

DATA = Path(__file__).parents[3] / "data" / "kubectl_protobuf.json"
RECORDED: list[JSON] = json.loads(DATA.read_text())["requests"]
BODIES = [base64.b64decode(request["body"]) for request in RECORDED]
POD = Kind("", "v1", "Pod")


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def envelope(raw: bytes, *, kind: str = "Pod", api_version: str = "v1") -> bytes:
    type_meta = field(1, api_version.encode()) + field(2, kind.encode())
    return MAGIC + field(1, type_meta) + field(2, raw) + field(3, b"") + field(4, b"")


def encode(value: Any, message: str) -> bytes:  # Any: values of JSON
    """Write the message that an object stands for: the reverse of what is tested, by the same table of numbers."""
    if message == "api.resource.Quantity":
        return field(1, value.encode())
    if message == "util.intstr.IntOrString":
        is_text = isinstance(value, str)
        return field(1, int(is_text)) + (field(3, value.encode()) if is_text else field(2, value))
    out = b""
    for number, rule in protobuf._rules(message).items():
        if not rule.name:
            inner = {key: item for key, item in value.items() if key in _names(rule.message)}
            out += field(number, encode(inner, rule.message)) if inner else b""
        elif rule.name in value:
            out += encode_field(number, value[rule.name], rule)
    return out


def _names(message: str) -> set[str]:
    return {rule.name for rule in protobuf._rules(message).values()}


def encode_field(number: int, value: Any, rule: protobuf.FieldRule) -> bytes:  # Any: values of JSON
    if rule.container == "list":
        return b"".join(field(number, encode_one(item, rule)) for item in value)
    if rule.container == "map":
        pairs = [field(1, key.encode()) + field(2, encode_one(item, rule)) for key, item in value.items()]
        return b"".join(field(number, pair) for pair in pairs)
    return field(number, encode_one(value, rule))


def encode_one(value: Any, rule: protobuf.FieldRule) -> int | bytes:  # Any: values of JSON
    if rule.kind == "message":
        return encode(value, rule.message)
    if rule.kind == "string":
        return bytes(value.encode())
    return base64.b64decode(value) if rule.kind == "bytes" else int(value)


@pytest.mark.parametrize("request_", RECORDED, ids=lambda request: request["path"])
def test_what_kubectl_sends_is_read(request_: JSON) -> None:
    expected: JSON = request_["object"]
    group, _, version = expected["apiVersion"].rpartition("/")

    found = decode_object(
        base64.b64decode(request_["body"]), PROTOBUF_TYPE, Kind(group, version, expected["kind"]), validation="Strict"
    )

    assert found == (expected, [])


def test_delete_options_are_read() -> None:
    body = envelope(field(1, 30) + field(4, b"Orphan"), kind="DeleteOptions")

    assert decode_delete_options(body, PROTOBUF_TYPE) == {"gracePeriodSeconds": 30, "propagationPolicy": "Orphan"} | {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
    }


def test_times_and_negative_numbers() -> None:
    metadata = field(8, field(1, 1_767_323_045)) + field(10, -7)

    found = decode_protobuf(envelope(field(1, metadata)))

    assert found["metadata"] == {"creationTimestamp": "2026-01-02T03:04:05Z", "deletionGracePeriodSeconds": -7}


def test_zero_time_is_null() -> None:
    assert decode_protobuf(envelope(field(1, field(8, b""))))["metadata"] == {"creationTimestamp": None}


def test_unknown_fields_are_skipped() -> None:
    assert decode_protobuf(envelope(field(999, b"x") + field(998, 7)))["kind"] == "Pod"


def test_another_kind_is_refused_by_name() -> None:
    with pytest.raises(StatusError, match=r"converting \(v1\.ConfigMap\) to \(core\.Pod\)"):
        decode_object(envelope(b"", kind="ConfigMap"), PROTOBUF_TYPE, POD)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (b"{}", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (MAGIC + b"\x0a\x05ab", "unexpected EOF"),
        (MAGIC + b"\x0a", "unexpected EOF"),
        (MAGIC + b"\xff" * 12, "proto: integer overflow"),
        (MAGIC + b"\x0b", "proto: illegal wireType 3"),
        (MAGIC + b"\x00\x00", "proto: illegal tag 0 (wire type 0)"),
        (MAGIC + field(1, 5), "proto: wrong wireType = 0 for a field of bytes"),
        (envelope(field(2, field(5, b"x"))), "proto: wrong wireType = 2 for a number"),
        (envelope(field(1, field(8, field(1, 1 << 62)))), "proto: time out of range"),
    ],
)
def test_broken_bodies_are_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_protobuf(body)

    assert str(caught.value) == complaint


def test_broken_body_is_told_as_a_real_server_does() -> None:
    with pytest.raises(StatusError) as caught:
        decode_object(b"k8s", PROTOBUF_TYPE, POD)

    assert caught.value.code == 400
    assert caught.value.message.startswith("the object provided is unrecognized (must be of type Pod): provided data")
    assert caught.value.message.endswith("(6b3873)")


NAMES = st.text(alphabet="abcé", min_size=1, max_size=4)
PODS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": NAMES}, optional={"labels": st.dictionaries(NAMES, NAMES, min_size=1)}
        )
    },
    optional={
        "spec": st.fixed_dictionaries(
            {
                "containers": st.lists(
                    st.fixed_dictionaries(
                        {"name": NAMES},
                        optional={
                            "args": st.lists(NAMES, min_size=1, max_size=3),
                            "env": st.lists(
                                st.fixed_dictionaries(
                                    {"name": NAMES},
                                    optional={"valueFrom": st.just({"secretKeyRef": {"name": "s", "key": "k"}})},
                                ),
                                min_size=1,
                                max_size=2,
                            ),
                            "resources": st.just({"limits": {"cpu": "500m", "memory": "1Gi"}}),
                            "livenessProbe": st.just({"httpGet": {"port": "web"}, "periodSeconds": 3}),
                            "tty": st.just(True),
                        },
                    ),
                    min_size=1,
                    max_size=3,
                )
            },
            optional={
                "priority": st.integers(-(2**31), 2**31 - 1),
                "volumes": st.just([{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]),
                "terminationGracePeriodSeconds": st.integers(0, 2**40),
            },
        )
    },
)


@given(PODS)
def test_pods_come_back(pod: JSON) -> None:
    body = envelope(encode(pod, "core.v1.Pod"))

    found = decode_object(body, PROTOBUF_TYPE, POD, validation="Strict").value

    assert found == {**pod, "apiVersion": "v1", "kind": "Pod"}


def test_every_message_speaks_of_fields_that_its_type_has() -> None:
    for name in protobuf._messages()["messages"]:
        try:
            known = named_type(name).fields
        except KeyError:
            continue  # embedded in another struct
        assert {rule.name for rule in protobuf._rules(name).values()} - {""} <= known.keys(), name


def refused_or_read(body: bytes) -> bool:
    try:
        json.dumps(decode_object(body, PROTOBUF_TYPE, POD).value)
    except StatusError as error:
        return error.code == 400
    return True


@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_status(raw: bytes) -> None:
    assert refused_or_read(MAGIC + raw)
    assert refused_or_read(envelope(raw))


@given(st.sampled_from(BODIES), st.data())
def test_damaged_bodies_give_an_object_or_a_status(body: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(4, len(body) - 1))
    damaged = body[:position] + bytes([data.draw(st.integers(0, 255))]) + body[position + 1 :]

    assert refused_or_read(damaged)
    assert refused_or_read(body[:position])


def test_source_is_recorded() -> None:
    assert protobuf.source()["kubernetes"] == "v1.34"
