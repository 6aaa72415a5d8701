"""The user of a request: field 2 of all of Spark Connect's requests, replaced without parsing the rest of them.

Whatever reads a request after us must see the fields that we see. So what readers may differ on is refused: groups,
which proto3 has not, and tags and lengths that are longer than they need to be. Reference: protobuf.dev, Encoding;
Spark 4.3, sql/connect/common, base.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.decoding.openapi_protobuf import delimited, varint

USER_CONTEXT, USER_ID, USER_NAME = 2, 1, 2  # numbers of the fields
VARINT, FIXED_64, DELIMITED, FIXED_32 = 0, 1, 2, 5  # wire types
FIXED_BYTES = {FIXED_64: 8, FIXED_32: 4}
VARINT_BYTES = 10  # of 64 bits
MOST_FIELDS = 100_000  # at the top, where Spark's requests have a dozen: the walk must not hold up other calls
NUMBER_BITS = 32  # of a tag and of a length


class MalformedRequest(ValueError):
    """A request is no protobuf message; str() says where."""


def of_user(message: bytes, user: str) -> bytes:
    """Return a request as one of `user`, whatever it says of its user. Raises MalformedRequest."""
    kept, begin = [], 0
    for count, (number, start, end) in enumerate(_fields(message)):
        if count == MOST_FIELDS:
            raise MalformedRequest(f"more than {MOST_FIELDS} fields")
        if number == USER_CONTEXT:
            kept.append(message[begin:start])
            begin = end
    return b"".join((*kept, message[begin:], user_context(user)))


def user_context(user: str) -> bytes:
    """Return the field that says that a request is of `user`."""
    name = user.encode()
    return delimited(USER_CONTEXT, delimited(USER_ID, name) + delimited(USER_NAME, name))


def _fields(message: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each field of a message, where it starts and where the next one does."""
    end = 0
    while end < len(message):
        start = end
        tag, end = _read_shortest(message, start)
        number, wire_type = tag >> 3, tag & 0b111
        if wire_type == VARINT:
            end = _read_varint(message, end)[1]
        elif wire_type == DELIMITED:
            length, end = _read_shortest(message, end)
            end += length
        elif wire_type in FIXED_BYTES:
            end += FIXED_BYTES[wire_type]
        else:
            raise MalformedRequest(f"wire type {wire_type} at byte {start}")
        if number == 0:
            raise MalformedRequest(f"field number 0 at byte {start}")
        if end > len(message):
            raise MalformedRequest(f"a field that is cut off at byte {start}")
        yield number, start, end


def _read_varint(message: bytes, start: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    number = 0
    for index, byte in enumerate(message[start : start + VARINT_BYTES]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, start + index + 1
    raise MalformedRequest(f"a number without an end at byte {start}")


def _read_shortest(message: bytes, start: int) -> tuple[int, int]:
    """Return a tag or a length and where it ends; some readers cut longer ones to 32 bits."""
    number, end = _read_varint(message, start)
    if number >> NUMBER_BITS or end - start != len(varint(number)):
        raise MalformedRequest(f"a number that is longer than it needs to be at byte {start}")
    return number, end
