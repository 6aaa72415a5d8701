"""What the gateway appends to a request, as protobuf reads it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

from sparkanywhere.connect.gateway import user_context

STRING, MESSAGE = 9, 11  # of FieldDescriptorProto.Type


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


@pytest.mark.parametrize("user", ["connect-ana", "c" * 300], ids=["short", "longer than one byte tells"])
@pytest.mark.parametrize("claimed", ["connect-bert", ""], ids=["another user's", "none"])
def test_a_request_is_the_tokens_users_whatever_it_claims(user: str, claimed: str) -> None:
    request_of = request_class()
    request = request_of(session_id="s", user_context={"user_id": claimed, "user_name": claimed})

    seen = request_of.FromString(request.SerializeToString() + user_context(user))

    assert (seen.user_context.user_id, seen.user_context.user_name, seen.session_id) == (user, user, "s")
