"""`sparkanywhere notebook`: Jupyter with a Spark Connect server behind it, or how to have one elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from types import FrameType

import click

from sparkanywhere.cli.target_options import fail
from sparkanywhere.cli.terminal import echo
from sparkanywhere.jobs.connect_session import ConnectProcess, SessionFailed
from sparkanywhere.local.stop_signals import handled, stopping_signals

JUPYTER = ("jupyter-lab", "jupyter-notebook")
HOW = """\
Jupyter is not installed here: pip install jupyterlab "pyspark[connect]". In any notebook, two lines do:

  from sparkanywhere import session
  spark = session()

For a client that knows nothing of Sparkanywhere, in a shell:

  eval "$(sparkanywhere connect --export)\""""


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Examples: sparkanywhere notebook; sparkanywhere notebook --executors 4 --on prod",
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def notebook(options: tuple[str, ...]) -> None:
    """Start Jupyter in this folder with a Spark session behind it; OPTIONS are those of `sparkanywhere connect`.

    SparkSession.builder.getOrCreate() in a notebook finds the server, which ends with Jupyter. Where Jupyter is not
    installed, print what to do instead.
    """
    beside = os.path.dirname(sys.executable)
    search = f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"
    found = next((path for name in JUPYTER if (path := shutil.which(name, path=search))), None)
    if found is None:
        echo(HOW)
        return
    try:
        server = ConnectProcess(options, say=lambda line: echo(line, err=True), prefix=prefix_of(found))
    except SessionFailed as error:
        fail(str(error))
    try:
        code = _run(found, server.url)
    finally:
        server.end()
    sys.exit(code)


def _run(program: str, url: str) -> int:
    """Run Jupyter to its end, which a signal to end us brings about; return its exit code."""
    started: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for each in started:
            each.terminate()

    # Ctrl-C is Jupyter's to answer: it asks
    with handled({**dict.fromkeys(stopping_signals(), end), signal.SIGINT: lambda *_: None}):
        started.append(subprocess.Popen([program], env={**os.environ, "SPARK_REMOTE": url}))
        if asked:  # before it had started
            started[0].terminate()
        return started[0].wait()


def prefix_of(program: str) -> str:
    """Return the folder of the environment that a program is installed in, our own if that cannot be told.

    Jupyter's own kernel runs by the Python beside it, which need not be the one that Sparkanywhere is installed in.
    """
    folder = os.path.dirname(program)
    is_environment = os.path.basename(folder) == "bin" and os.path.exists(f"{folder}/python3")
    return os.path.dirname(folder) if is_environment else sys.prefix
