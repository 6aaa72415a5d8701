"""Jars in the user's cache, each under its SHA-256: fetched side by side, checked, and then never again.

A file has its name only once it is whole and checked, so that a run that is killed, and two runs at once, do no harm.
A connection that is cut is taken up where it broke, where the repository can (RFC 9110, Range).
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import urlopen

from sparkanywhere.client.failure import Failure
from sparkanywhere.jars.repository import MIRROR, Repository
from sparkanywhere.jars.table import Jar
from sparkanywhere.spark.progress import Progress, Step, silent

AT_ONCE = 8  # connections: the 44 small jars of s3 and iceberg took 7 s so
TRIES, PAUSE_SECONDS = 4, 1.0  # of one jar; the pause doubles
SILENCE_SECONDS = 20.0  # of a repository
PIECE_BYTES = 1 << 18
PASSING = (408, 429, 500, 502, 503, 504)  # HTTP codes after which a jar is asked for again
PARTIAL = 206
PART = ".part-"  # how the names of files begin that are not whole
FORGOTTEN_SECONDS = 86400.0  # without a byte for one of them: whoever wrote it was killed


class JarsFailed(Failure):
    """Jars cannot be had; str() is one sentence that names the option or variable to change."""


def cached(jar: Jar, cache: Path) -> Path:
    """Return where a jar lies in the cache, or will."""
    return cache / "jars" / jar.sha256 / jar.coordinate.file_name


def missing(jars: Sequence[Jar], cache: Path) -> list[Jar]:
    """Return the jars that are not in the cache."""
    return [jar for jar in jars if not cached(jar, cache).is_file() or cached(jar, cache).stat().st_size != jar.size]


def ensure_jars(
    jars: Sequence[Jar],
    *,
    cache: Path,
    repository: Repository,
    progress: Progress = silent,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """Return the files of jars, in their order, fetched first where the cache has them not. May be repeated.

    Raises JarsFailed; what has come whole until then is kept.
    """
    for part in (cache / "jars").glob(f"*/{PART}*"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > FORGOTTEN_SECONDS:
                part.unlink()
    lacking = missing(jars, cache)
    fetch = _Fetch(cache, repository, lacking, progress, sleep)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(fetch.one, jar) for jar in lacking]
        try:
            for each in asked:
                each.result()
        except BaseException:
            fetch.is_over.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [cached(jar, cache) for jar in jars]


class _Fetch:
    """Some jars on their way from one repository; one() is called from many threads."""

    def __init__(
        self,
        cache: Path,
        repository: Repository,
        jars: Sequence[Jar],
        progress: Progress,
        sleep: Callable[[float], None],
    ) -> None:
        self._cache, self._repository, self._sleep = cache, repository, sleep
        self._name = f"Downloading {len(jars)} {'jar' if len(jars) == 1 else 'jars'} from {repository}"
        self._total = sum(jar.size for jar in jars)
        self._done, self._progress, self._lock = 0, progress, threading.Lock()
        self._has_answered = False
        self.is_over = threading.Event()  # another jar failed: stop soon

    def one(self, jar: Jar) -> None:
        """Fetch a jar, check it, and give it its name. Raises JarsFailed."""
        target = cached(jar, self._cache)
        with self._kept():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=PART, delete=False) as file:
                part = Path(file.name)
                try:
                    self._whole(jar, file)
                    file.seek(0)
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                    if found != jar.sha256:
                        raise JarsFailed(
                            f"{jar.coordinate} of {self._repository} is not the published jar: its SHA-256 is {found},"
                            f" not {jar.sha256}; choose a repository that has it by {MIRROR}."
                        )
                    part.chmod(0o644)
                    part.replace(target)
                finally:
                    part.unlink(missing_ok=True)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Say of what the file system refuses inside that it is that, and not the repository. Raises JarsFailed."""
        try:
            yield
        except OSError as error:
            raise JarsFailed(
                f"Jars cannot be kept in {self._cache / 'jars'}: {error.strerror or error}; SPARKANYWHERE_CACHE is"
                " another folder for them."
            ) from error

    def _whole(self, jar: Jar, file: IO[bytes]) -> None:
        """Write all bytes of a jar, in as many tries as it may have. Raises JarsFailed."""
        pause, why = PAUSE_SECONDS, ""
        for left in reversed(range(TRIES)):
            try:
                self._rest(jar, file)
            except HTTPError as error:
                error.close()
                why = f"it answers {error.code} {error.reason}"
                if error.code not in PASSING:
                    raise JarsFailed(self._refusal(jar, error.code, why)) from error
            except (OSError, HTTPException) as error:  # of the network: what the disk refuses is JarsFailed
                why = str(getattr(error, "reason", "") or error or type(error).__name__)
                if not self._has_answered:  # there is no way to it, and none appears within seconds
                    break
            else:
                if file.tell() == jar.size:
                    return
                why = f"the connection was cut after {file.tell():,} of {jar.size:,} bytes"
                if file.tell() > jar.size:
                    why = f"it sends more than the {jar.size:,} bytes that the jar has"
                    self._restart(file)
            if self.is_over.is_set():
                break
            if left:
                self._sleep(pause)
                pause *= 2
        raise JarsFailed(
            f"{jar.coordinate}, which --with needs, cannot be fetched from {self._repository}: {why};"
            f" a mirror that this machine reaches is set by {MIRROR}."
        )

    def _refusal(self, jar: Jar, code: int, why: str) -> str:
        if code == 404:
            return f"{self._repository} has no {jar.coordinate}, which --with needs: choose another by {MIRROR}."
        return f"{jar.coordinate}, which --with needs, is not given by {self._repository}: {why}; see {MIRROR}."

    def _rest(self, jar: Jar, file: IO[bytes]) -> None:
        """Write what is missing of a jar, as far as it comes. Raises what urllib raises, and JarsFailed."""
        headers = {"User-Agent": "sparkanywhere", "Accept-Encoding": "identity"}
        if file.tell():
            headers["Range"] = f"bytes={file.tell()}-"
        with urlopen(self._repository.request(jar.coordinate, headers=headers), timeout=SILENCE_SECONDS) as answer:
            self._has_answered = True
            if answer.status != PARTIAL:
                self._restart(file)
            with suppress(HTTPException):  # IncompleteRead: what came is kept, and the rest asked for
                while not self.is_over.is_set() and (piece := answer.read(PIECE_BYTES)):
                    with self._kept():
                        file.write(piece)
                    self._advance(len(piece))

    def _restart(self, file: IO[bytes]) -> None:
        self._advance(-file.tell())
        with self._kept():
            file.seek(0)
            file.truncate()

    def _advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._progress(Step(self._name, self._done, self._total))
