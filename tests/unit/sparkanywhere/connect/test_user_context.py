"""Whose a request is once the gateway has passed it on, as protobuf reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from chalicelib.apimachinery.decoding.openapi_protobuf import varint
from sparkanywhere.connect.user_context import MOST_FIELDS, USER_CONTEXT, MalformedRequest, of_user, user_context

RECORDED = json.loads((Path(__file__).parents[3] / "data" / "spark" / "connect_users.json").read_text())
STRING, MESSAGE = 9, 11  # of FieldDescriptorProto.Type
BERTS = user_context("connect-bert")
OVERLONG_TAG = bytes([BERTS[0] | 0x80, 0x80, 0x00]) + BERTS[1:]  # field 2 all the same, for a reader that takes it
TAG_OF_33_BITS = bytes([BERTS[0] | 0x80, 0x80, 0x80, 0x80, 0x10]) + BERTS[1:]  # Java's reader keeps 32 bits of it


def request_class() -> Any:  # Any: a class that protobuf makes
    """Return a message with the first fields that every request of Spark Connect has (base.proto, Spark 4.3)."""
    file = descriptor_pb2.FileDescriptorProto(name="connect.proto", package="connect", syntax="proto3")
    context = file.message_type.add(name="UserContext")
    context.field.add(name="user_id", number=1, type=STRING, label=1)
    context.field.add(name="user_name", number=2, type=STRING, label=1)
    request = file.message_type.add(name="Request")
    request.field.add(name="session_id", number=1, type=STRING, label=1)
    request.field.add(name="user_context", number=2, type=MESSAGE, type_name=".connect.UserContext", label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("connect.Request"))


REQUEST = request_class()


def delimited(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


@pytest.mark.parametrize("user", ["connect-ana", "c" * 300], ids=["short", "longer than one byte tells"])
@pytest.mark.parametrize(
    "claimed",
    [
        b"",
        BERTS,
        BERTS + BERTS,
        delimited(2, delimited(1000, b"of an extension")),
        b"\x10\x07" + BERTS,
        b"\x15" + bytes(4),
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + BERTS,
        b"\x11" + bytes(8) + BERTS + b"\x1d" + bytes(4),
        delimited(1000, BERTS) + BERTS,
    ],
    ids=["none", "another", "twice", "more", "a number", "fixed", "after a number", "amid bytes", "within another"],
)
def test_a_request_is_the_tokens_users_whatever_it_claims(user: str, claimed: bytes) -> None:
    passed = of_user(REQUEST(session_id="s").SerializeToString() + claimed, user)

    seen = REQUEST.FromString(passed)
    assert (seen.user_context.user_id, seen.user_context.user_name, seen.session_id) == (user, user, "s")
    assert seen.user_context.SerializeToString() == user_context(user)[2 if len(user) < 60 else 3 :]


def test_all_else_passes_as_it_is() -> None:
    before, after = b"\x0a\x01s\x08\x96\x01", delimited(1000, b"a later Spark's") + b"\x19" + bytes(8)

    assert of_user(before + BERTS + after + BERTS, "ana") == before + after + user_context("ana")


@pytest.mark.parametrize(
    "ending",
    [
        varint(1000 << 3 | 2) + varint(len(user_context("connect-ana"))),
        varint(1000 << 3 | 2) + varint(1),
        varint(1000 << 3 | 2) + varint(1 << 31),
        varint(1000 << 3 | 2) + b"\xff" * 9 + b"\x01",
        varint(1000 << 3 | 2),
        varint(1000 << 3),
        varint(1000 << 3 | 1) + bytes(7),
        varint(1000 << 3 | 5) + bytes(3),
        varint(1000 << 3) + b"\xff",
        varint(1000 << 3) + b"\xff" * 10 + b"\x01",
        b"\x80",
        varint(1000 << 3 | 3) + varint(1000 << 3 | 4),
        varint(1000 << 3 | 3),
        varint(1000 << 3 | 4),
        b"\x13" + BERTS + b"\x14",
        varint(1000 << 3 | 6),
        varint(1000 << 3 | 7),
        b"\x02\x00",
        b"\x00\x00",
        OVERLONG_TAG,
        TAG_OF_33_BITS,
        varint(1000 << 3 | 2) + b"\x80\x00",
        b"\x08\x00" * MOST_FIELDS,
    ],
    ids=[
        "takes what follows",
        "cut off",
        "longer than any message",
        "of a negative length",
        "no length",
        "no number",
        "7 of 8 bytes",
        "3 of 4 bytes",
        "an open number",
        "a number of 11 bytes",
        "an open tag",
        "a group",
        "an open group",
        "the end of no group",
        "a group as user",
        "wire type 6",
        "wire type 7",
        "field 0",
        "field 0, a number",
        "a tag that is longer than it needs to be",
        "a tag of 33 bits",
        "a length that is longer than it needs to be",
        "many fields",
    ],
)
def test_a_malformed_request_is_refused(ending: bytes) -> None:
    with pytest.raises(MalformedRequest):
        of_user(REQUEST(session_id="s").SerializeToString() + BERTS + ending, "connect-ana")


def test_what_protobuf_takes_of_any_bytes_is_the_tokens_users() -> None:
    for tag in range(1 << 11):  # every field to 255 with every wire type, before what could take the user's place
        for rest in (b"", b"\x01", b"\x0d", bytes(8), BERTS):
            try:
                passed = of_user(varint(tag) + rest, "ana")
            except MalformedRequest:
                continue
            try:
                seen = REQUEST.FromString(passed)
            except DecodeError:  # its text is no UTF-8, for instance
                continue
            assert seen.user_context.user_id == "ana"


@pytest.mark.parametrize("spark", ["4.0.5", "4.1.4", "4.3.0"])
def test_every_request_of_spark_connect_has_its_user_there(spark: str) -> None:
    assert len(RECORDED[spark]) >= 10
    assert {*RECORDED[spark].values()} == {USER_CONTEXT}
