"""Texts of the table: this version's and those of earlier ones are read, and dictionaries stay as they are."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from chalicelib.storage.dynamodb import compression
from chalicelib.storage.dynamodb.compression import compressed, decompressed

FOLDER = Path(compression.__file__).parent
# Of every dictionary that items were ever written with. Items name theirs by it: none may change or go.
CHECKSUMS = {"dictionary-1.txt": 0xE602426A}
DEFLATE_WINDOW = 32 * 1024
RECORDED = Path(__file__).resolve().parents[3] / "data" / "spark"


def test_what_is_compressed_is_the_same_again() -> None:
    for text in ("", "{}", "x" * 3_000_000, '{"metadata":{"resourceVersion":"1","name":"a"}}\n{}'):
        assert decompressed(compressed(text)) == text


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_what_earlier_versions_compressed_without_dictionary_is_read(level: int) -> None:
    assert decompressed(zlib.compress(b'{"spec":{}}', level)) == '{"spec":{}}'


def test_a_dictionary_of_a_later_version_is_told_of() -> None:
    stream = zlib.compressobj(zdict=b"a dictionary that nobody has seen")
    data = stream.compress(b"text") + stream.flush()

    with pytest.raises(ValueError, match="written by a later version"):
        decompressed(data)


def test_no_dictionary_has_changed() -> None:
    found = {path.name: zlib.adler32(path.read_bytes()) for path in FOLDER.glob("dictionary-*")}

    assert found == CHECKSUMS


def test_a_dictionary_fits_what_deflate_looks_back_at() -> None:
    assert all((FOLDER / name).stat().st_size < DEFLATE_WINDOW for name in CHECKSUMS)


@pytest.mark.parametrize("name", ["executor-4.3.0", "executor-3.5.9", "driver-4.3.0", "driver-3.5.9"])
def test_pods_of_spark_fit_a_write_unit_with_room_for_what_is_added(name: str) -> None:
    text = json.dumps(json.loads((RECORDED / f"{name}.json").read_text()), separators=(",", ":"))

    assert len(compressed(text)) < 1024 / 2
