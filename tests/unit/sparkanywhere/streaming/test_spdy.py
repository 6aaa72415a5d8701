"""SPDY frames, in and out."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkanywhere.streaming import spdy
from sparkanywhere.streaming.spdy import Data, Decoder, Encoder, Opened, Pinged, Reset, SpdyError
from tests.unit.sparkanywhere.streaming.spdy_client import SpdyClient, control

SETTINGS, WINDOW_UPDATE = 4, 9


def test_the_dictionary_is_the_drafts() -> None:
    # The number by which a packed header block names its dictionary: seen in what kubectl 1.32 sends.
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


def test_frames_are_read_however_they_are_cut() -> None:
    client = SpdyClient()
    raw = (
        client.open(1, {"streamType": "error", "port": "80"}, ends=True)
        + client.open(3, {"streamType": "data", "port": "80"})
        + client.data(3, b"hello")
        + client.data(3, b"", ends=True)
        + client.ping(7)
        + client.reset(3)
    )
    decoder = Decoder()

    frames = [frame for byte in raw for frame in decoder.feed(bytes([byte]))]

    assert frames == [
        Opened(1, {"streamtype": "error", "port": "80"}, True),
        Opened(3, {"streamtype": "data", "port": "80"}, False),
        Data(3, b"hello", False),
        Data(3, b"", True),
        Pinged(7),
        Reset(3),
    ]


def test_frames_that_say_nothing_to_us_are_passed_over() -> None:
    raw = control(SETTINGS, struct.pack(">I", 0)) + control(WINDOW_UPDATE, struct.pack(">II", 1, 100))

    assert Decoder().feed(raw) == []


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">II", 1, 0xFFFFFF),
        struct.pack(">II", 0x80000000 | 2 << 16 | 1, 0),
        control(spdy.SYN_STREAM, b"\0" * 12),
        control(spdy.PING, b""),
        SpdyClient().open(1, {"a": "b" * 100_000}),
        control(spdy.SYN_STREAM, b"\0" * 10 + zlib.compress(b"\xff" * 8)),
    ],
)
def test_what_is_not_spdy_or_too_large_is_refused(raw: bytes) -> None:
    with pytest.raises(SpdyError):
        Decoder().feed(raw)


@given(raw=st.binary(max_size=300))
def test_any_bytes_are_frames_or_refused(raw: bytes) -> None:
    decoder = Decoder()
    try:
        decoder.feed(b"\x80\x03" + raw)
    except SpdyError:
        return


def test_our_replies_are_packed_one_upon_the_other() -> None:
    encoder = Encoder()
    unpack = zlib.decompressobj(zdict=spdy.DICTIONARY)

    blocks = [unpack.decompress(encoder.reply(stream)[12:]) for stream in (1, 3)]

    assert blocks == [struct.pack(">I", 0)] * 2


def test_our_data_is_read_back_as_it_was() -> None:
    encoder = Encoder()

    assert Decoder().feed(encoder.data(5, b"x", ends=True)) == [Data(5, b"x", True)]
    assert Decoder().feed(encoder.reset(5, spdy.REFUSED_STREAM) + encoder.pong(2)) == [Reset(5), Pinged(2)]
