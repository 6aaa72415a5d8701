"""`spark = session()`: Spark Connect for a notebook, whose server ends when the program that asked for it ends.

The server is started by a `sparkanywhere connect` of our own, which ends it when its standard input ends. The kernel of
the operating system closes that however we end, killed or crashed, so nothing has to be cleared away here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sparkanywhere.jobs.job_fields import JOB_OPTIONS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession  # type: ignore[import-not-found]  # an extra

URL = "sc://"
END_SECONDS = 30.0  # for the server's pods to go; then it ends by itself
UNFIT = ("application", "args", "main_class", "max_attempts", "namespace")  # of a job, not of a server


class SessionFailed(Exception):
    """There is no session; str() is one sentence."""


class ConnectProcess:
    """A Spark Connect server, up at `url`, that lasts as long as this process at most. Raises SessionFailed.

    `prefix` is the folder of the environment whose Python its functions run by, which should be that of its clients.
    """

    def __init__(self, options: Sequence[str], *, say: Callable[[str], None], prefix: str = sys.prefix) -> None:
        self.options = tuple(options)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sparkanywhere", "connect", "--until-eof", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "VIRTUAL_ENV": prefix},  # a notebook's kernel is not told of its environment
            start_new_session=True,  # interrupting a cell is no reason to end
        )
        self.url = self._wait(say)
        # What it says later is nothing to wait for, but must not fill the pipe.
        self._reader = threading.Thread(target=self._drain, name="connect", daemon=True)
        self._reader.start()

    def _wait(self, say: Callable[[str], None]) -> str:
        line = ""
        for each in self._process.stdout or ():
            line = each.rstrip()
            if line.startswith(URL):
                return line
            say(line)
        self._process.communicate()
        raise SessionFailed(line.removeprefix("Error: ") or "Spark Connect did not start.")

    def _drain(self) -> None:
        assert self._process.stdout
        with self._process.stdout as output:
            for _line in output:
                pass

    def is_alive(self) -> bool:
        """Return whether the server is still there."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the server. Repeatable."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(END_SECONDS)
        self._reader.join(END_SECONDS)


_current: list[ConnectProcess] = []  # of this process: one at most


def session(*, on: str = "", idle_minutes: float = 30.0, **job: Any) -> SparkSession:  # Any: fields of a JobSpec
    """Return a Spark session of a Spark Connect server, which is started if there is none yet.

    `on` names the control plane, as --on does; without one a local server of our own is started too. `job` are the
    fields of a JobSpec that fit a server: session(executors=2, executor_memory="4g", conf={...}). A second call returns
    a session of the same server; spark.stop() ends it, and so does the end of this process, or `idle_minutes` without
    use. Where SPARK_REMOTE is set, it is a session of that one. Raises SessionFailed, ImportError, TypeError.
    """
    try:
        from pyspark import __version__  # type: ignore[import-not-found]
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ImportError('Spark\'s client is missing: pip install "pyspark[connect]"') from error
    if os.environ.get("SPARK_REMOTE"):
        return SparkSession.builder.getOrCreate()
    options = list(flags({"spark": __version__, **job}))
    options += ["--idle", f"{idle_minutes:g}", *(["--on", on] if on else [])]
    running = next((each for each in _current if each.is_alive()), None)
    if running and running.options != tuple(options):
        raise SessionFailed("A session with other options is there: spark.stop() ends it.")
    if not running:
        running = ConnectProcess(options, say=lambda line: print(line, file=sys.stderr))
        _current[:] = [running]
    return _ending(SparkSession.builder.remote(running.url).getOrCreate(), running)


def _ending(spark: Any, process: ConnectProcess) -> Any:  # Any: a SparkSession, which Spark types for itself
    """Return the session, whose stop() ends the server as well."""
    stop = type(spark).stop

    def stop_both() -> None:
        stop(spark)
        process.end()

    spark.stop = stop_both
    return spark


def flags(job: dict[str, Any]) -> Iterator[str]:  # Any: fields of a JobSpec
    """Yield the options of the command line that say the same as the fields. Raises TypeError for others."""
    for name, value in job.items():
        option = JOB_OPTIONS.get(name)
        if option is None or name in UNFIT or option.flag is None:
            raise TypeError(f"session() has no option {name!r}")
        if option.kind is bool:
            yield option.flag if value else f"--no-{option.flag.removeprefix('--')}"
        elif isinstance(value, dict):
            for key, text in value.items():
                yield from (option.flag, f"{key}={text}")
        else:
            yield from (option.flag, ",".join(value) if isinstance(value, list | tuple) else str(value))
