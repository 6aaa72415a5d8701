"""Texts of the table, deflated with a dictionary of what applications of Spark store.

A zlib stream names its dictionary by checksum (RFC 1950), or has none: that is how earlier versions wrote, whose items
are read as ever. So a dictionary here may be added, never changed or removed. tools/storage_dictionary.py makes one.
"""

from __future__ import annotations

import zlib
from pathlib import Path

_LEVEL = 6  # zlib's own; 9 gains a few bytes and costs half as much time again
_HAS_DICTIONARY = 0x20  # in the second byte: RFC 1950, section 2.2
# the first is what is written with
_DICTIONARIES = [Path(__file__).with_name(name).read_bytes() for name in ("dictionary-1.txt",)]
_BY_CHECKSUM = {zlib.adler32(each): each for each in _DICTIONARIES}
# A copy knows the dictionary already; to make it known takes ten times as long as a pod.
_begun = zlib.compressobj(_LEVEL, zdict=_DICTIONARIES[0])


def compressed(text: str) -> bytes:
    """Return an ASCII text as a zlib stream."""
    stream = _begun.copy()
    return stream.compress(text.encode("ascii")) + stream.flush()


def decompressed(data: bytes) -> str:
    """Return the text of a zlib stream. Raises ValueError if its dictionary is of a later version."""
    if not data[1] & _HAS_DICTIONARY:
        return zlib.decompress(data).decode("ascii")
    checksum = int.from_bytes(data[2:6], "big")
    if checksum not in _BY_CHECKSUM:
        raise ValueError(f"written by a later version, with a dictionary that is not known here: {checksum:08x}")
    return zlib.decompressobj(zdict=_BY_CHECKSUM[checksum]).decompress(data).decode("ascii")
