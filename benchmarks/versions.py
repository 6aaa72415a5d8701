"""Two versions of this project side by side: this checkout, and a commit before it in a worktree of its own.

Each has its own cache, so that neither meets what the other has prepared (the archive of Spark's classes), its own
state, and its own name for the Spark image. Spark's files are shared by hard links: nobody writes into them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chalicelib.config import Settings
from sparkanywhere.cli.spark_commands import installed
from sparkanywhere.project import PROJECT

NOT_SHARED = ("java", "JAVA_HOME", "logs", "work")  # of a SPARK_HOME: each version makes them, jobs leave them
# The command line of a version whose images have another name: argv is that name, then the command's own words.
COMMAND = (
    "import sys; from sparkanywhere.spark import image; image.REPOSITORY = sys.argv.pop(1);"
    " from sparkanywhere.__main__ import main; main()"
)
ARCHIVES = ("*.jsa", "*.aot")  # what a version's first run prepares for the next ones
WARM_UPS = 4  # runs, until there is one: a training that comes to nothing is not repeated by itself
RUN_SECONDS = 900.0  # a run takes 10 to 60 s on a busy machine; a hang gets an end


@dataclass(frozen=True, slots=True)
class Version:
    """A version's checkout, and what it keeps to itself."""

    name: str  # for people
    tree: Path
    cache: Path
    state: Path
    image_repository: str

    @property
    def environ(self) -> Mapping[str, str]:
        """Return the environment of its programs."""
        own = {"PYTHONPATH": self.tree, "SPARKANYWHERE_CACHE": self.cache, "SPARKANYWHERE_STATE": self.state}
        return {**os.environ, **{name: str(path) for name, path in own.items()}}

    def command(self, *words: str) -> list[str]:
        """Return the words that run a command of this version."""
        return [sys.executable, "-c", COMMAND, self.image_repository, *words]

    def run(self, *words: str) -> str:
        """Run a command of this version to its end; return what it printed. Raises CalledProcessError."""
        ran = subprocess.run(
            self.command(*words),
            cwd=self.tree,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            check=True,
        )
        return ran.stdout

    def warm_up(self, spark: str) -> None:
        """Run jobs until what makes the next ones faster is there. Raises RuntimeError if it does not come."""
        home = self.cache / "spark" / spark
        for _ in range(WARM_UPS):
            if any(next(home.rglob(each), None) for each in ARCHIVES):
                return
            shutil.rmtree(home / "java", ignore_errors=True)  # with it the mark that nothing has to be made
            self.run("pi", "--spark", spark)
        raise RuntimeError(f"{self.name} has prepared no faster start of Spark")


@contextmanager
def versions(before: str, spark: str) -> Iterator[list[Version]]:
    """Yield the version of the commit `before`, if one is named, and this checkout; Spark is fetched if need be.

    Nothing of them is left afterwards but images. Raises CalledProcessError for a commit that is not there.
    """
    installed(spark)
    cache = Settings.from_env(os.environ).cache_dir()
    # beside the real cache, on whose disk alone hard links can be made
    with tempfile.TemporaryDirectory(prefix=".sparkanywhere-bench-", dir=cache.parent) as name:
        folder = Path(name)
        now = _version("now", PROJECT, folder, cache, spark)
        if not before:
            yield [now]
            return
        tree = folder / "tree"
        _git("worktree", "add", "--detach", "--quiet", str(tree), before)
        try:
            yield [_version(before, tree, folder, cache, spark), now]
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _version(name: str, tree: Path, folder: Path, cache: Path, spark: str) -> Version:
    """Return a version with a cache of what has been downloaded, but with nothing made of it."""
    own = folder / f"cache-{name}"
    own.mkdir()
    for each in cache.iterdir():
        if each.name != "spark":
            (own / each.name).symlink_to(each)
    shutil.copytree(
        cache / "spark" / spark,
        own / "spark" / spark,
        symlinks=True,
        copy_function=os.link,
        ignore=lambda place, _: NOT_SHARED if Path(place).name == spark else (),
    )
    return Version(name, tree, own, folder / f"state-{name}", f"sparkanywhere/bench-{name}")


def _git(*words: str) -> None:
    subprocess.run(["git", "-C", str(PROJECT), *words], check=True, capture_output=True)
