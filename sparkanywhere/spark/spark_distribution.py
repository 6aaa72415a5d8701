"""Lay out a complete Spark of any version from PyPI's pyspark, ready to submit and to run pods.

`<cache>/spark/<version>/` becomes a SPARK_HOME in the official distribution's layout (bin, sbin, jars,
python/lib, examples, data, conf) with a folder `java`, its Java, and a file JAVA_HOME that names that folder.
The source package is taken apart, not installed: building its wheel takes ten times as long.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path, PurePosixPath

from sparkanywhere.spark.java_home import JavaNotFound, ensure_java, java_range
from sparkanywhere.spark.java_wrapper import WrappedJava, is_current, is_writable, make_archive, wrap
from sparkanywhere.spark.pip_download import DownloadFailed, download
from sparkanywhere.spark.progress import Progress, Step, silent

COMPILE_SECONDS = 300  # 4-6 s on two idle cores; a loaded machine gets patience, a hang gets an end
MANIFEST = "Manifest-Version: 1.0\r\nCreated-By: sparkanywhere\r\n\r\n"
VERSION = re.compile(r"\d+\.\d+\.\d+(?:\.?(?:dev|rc)\d+)?")
FREE_BYTES = 2_000_000_000  # the package (456 MB), pip's look into it, and the tree, for Spark 4.3
EXECUTABLE = 0o755
PLAIN = 0o644
LINKED_EXAMPLES = "examples/jars/spark-examples.jar"  # the examples jar's second name in the official image
# part of the source package -> part of a SPARK_HOME; the first match counts
PLACES = (
    ("deps/examples/", "examples/src/main/python/"),
    ("deps/", ""),
    ("lib/", "python/lib/"),
    ("pyspark/", "python/pyspark/"),
    ("LICENSE", "LICENSE"),
    ("NOTICE", "NOTICE"),
)


class CompileFailed(Exception):
    """The Scala compiler refused or could not run; str() is one sentence with its last words."""


def scala_version(jars: Path) -> str:
    """Return the binary Scala version (2.12, 2.13) of a folder of Spark's jars; raises CompileFailed."""
    for jar in sorted(jars.glob("scala-library-*.jar")):
        found = re.fullmatch(r"scala-library-(\d+\.\d+)\..*\.jar", jar.name)
        if found:
            return found[1]
    raise CompileFailed(f"{jars} holds no scala-library: this Spark can't compile the examples.")


def example_jar(spark_home: Path, version: str) -> Path:
    """Return where this Spark's examples jar belongs, named as the official distribution names it."""
    name = f"spark-examples_{scala_version(spark_home / 'jars')}-{version}.jar"
    return spark_home / "examples" / "jars" / name


def compile_examples(spark_home: Path, version: str, *, java: Path, scratch: Path) -> Path:
    """Compile the examples into the examples jar of `spark_home`; return it. Raises CompileFailed."""
    classes = scratch / "classes"
    classes.mkdir(parents=True)
    source = scratch / "SparkPi.scala"
    source.write_text(resources.files("sparkanywhere.examples").joinpath("SparkPi.scala").read_text())
    compiler = [str(java), "-cp", f"{spark_home / 'jars'}/*", "scala.tools.nsc.Main", "-usejavacp"]
    try:
        subprocess.run(
            [*compiler, "-nowarn", "-d", str(classes), str(source)],
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip().splitlines()
        last = said[-1] if said else f"exit code {error.returncode}"
        raise CompileFailed(f"The Scala compiler failed on SparkPi: {last}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileFailed(f"The Scala compiler did not run: {error}") from error
    jar = example_jar(spark_home, version)
    jar.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/MANIFEST.MF", MANIFEST)
        for file in sorted(classes.rglob("*.class")):
            archive.write(file, file.relative_to(classes).as_posix())
    return jar


class SparkUnavailable(Exception):
    """This Spark is not available; str() is one sentence for the user."""


def ensure(version: str, *, cache: Path, environ: Mapping[str, str], progress: Progress = silent) -> Path:
    """Return the SPARK_HOME of `version` below `cache`, downloading and building it if it is not there.

    Two processes that ask at once do the work once: the second waits. A run that is killed at any point
    leaves nothing that a later one takes for complete. `environ` says where the user's Java may be.
    Raises SparkUnavailable.
    """
    if not VERSION.fullmatch(version):
        raise SparkUnavailable(f"{version!r} is not a Spark version: write it like 4.3.0.")
    home = (cache / "spark" / version).resolve()  # the path that the archive of its classes is for
    try:
        if is_ready(home) and (not is_writable(home) or (is_current(home) and (home / LINKED_EXAMPLES).is_symlink())):
            return home
        with _lock(cache / "spark", version, progress):
            if not home.is_dir():
                _build(home, version, cache=cache, environ=environ, progress=progress)
            elif not is_ready(home):  # the Java it was built for has gone
                _choose_java(home, home, cache=cache, environ=environ, progress=progress)
            if not is_current(home):
                wrap(home, home, WrappedJava(home).real)
                progress(Step("Preparing a faster start of Spark's JVMs (once; half a minute)"))
                make_archive(home)
            if not (home / LINKED_EXAMPLES).is_symlink():
                (home / LINKED_EXAMPLES).symlink_to(example_jar(home, version).name)
    except (CompileFailed, DownloadFailed, JavaNotFound) as error:
        raise SparkUnavailable(str(error)) from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SparkUnavailable(f"What was downloaded for Spark {version} cannot be unpacked: {error}.") from error
    except OSError as error:
        raise SparkUnavailable(_os_reason(error, version, cache)) from error
    return home


def is_ready(home: Path) -> bool:
    """Return whether `home` is complete and its Java is still there."""
    wrapped = WrappedJava(home)
    try:
        return os.access(wrapped.command, os.X_OK) and os.access(wrapped.real / "bin" / "java", os.X_OK)
    except FileNotFoundError:
        return False


def place(member: str) -> PurePosixPath | None:
    """Return where a file of the source package belongs in a SPARK_HOME, None if nowhere."""
    inside = member.partition("/")[2]
    if ".." in PurePosixPath(inside).parts:
        return None
    for source, target in PLACES:
        if inside == source or (source.endswith("/") and inside.startswith(source)):
            return PurePosixPath(target + inside.removeprefix(source))
    return None


def _build(home: Path, version: str, *, cache: Path, environ: Mapping[str, str], progress: Progress) -> None:
    """Build `home` under another name beside it and give it its own by one rename, at the very end."""
    staging = home.with_name(f".staging-{version}")
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed; we hold the lock
    free = shutil.disk_usage(home.parent).free
    if free < FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        package = download(
            f"pyspark=={version}",
            options=["--no-binary=pyspark"],
            into=staging / "package",
            scratch=staging / "pip",
            progress=progress,
        )
        tree = staging / "tree"
        _unpack(package, tree, name=f"Unpacking Spark {version}", progress=progress)
        package.unlink()
        real = _choose_java(tree, home, cache=cache, environ=environ, progress=progress)
        progress(Step("Compiling Spark's example program"))
        compile_examples(tree, version, java=real / "bin" / "java", scratch=staging / "compile")
        tree.rename(home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack(package: Path, tree: Path, *, name: str, progress: Progress) -> None:
    """Write the package's files to their places in `tree`."""
    total_bytes = package.stat().st_size
    with package.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|gz") as archive:
        for member in archive:
            target = place(member.name)
            content = archive.extractfile(member) if member.isfile() and target else None
            if content is None or target is None:
                continue
            file = tree / target
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
            file.chmod(EXECUTABLE if member.mode & 0o100 else PLAIN)
            progress(Step(name, raw.tell(), total_bytes))
    if not (tree / "bin" / "spark-submit").is_file():
        raise DownloadFailed(f"{package.name} holds no bin/spark-submit: it is not a full Spark.")
    (tree / "conf").mkdir(exist_ok=True)
    (tree / "RELEASE").write_text(f"{package.name.removesuffix('.tar.gz')}, laid out by sparkanywhere\n")


def _choose_java(tree: Path, home: Path, *, cache: Path, environ: Mapping[str, str], progress: Progress) -> Path:
    """Wrap the Java for the Spark in `tree`, which is or will be `home`; return that Java's own home."""
    jars = [jar.name for jar in (tree / "jars").glob("hadoop-client-api-*.jar")]
    hadoop = jars[0].removeprefix("hadoop-client-api-").removesuffix(".jar") if jars else "0"
    with _lock(cache / "java", "install", progress):  # two Spark versions may want the same Java
        real = ensure_java(java_range(home.name, hadoop), cache=cache, environ=environ, progress=progress)
    wrap(tree, home, real)
    fresh = tree / ".JAVA_HOME"
    fresh.write_text(f"{WrappedJava(home).folder}\n")
    fresh.replace(tree / "JAVA_HOME")
    return real


@contextmanager
def _lock(folder: Path, name: str, progress: Progress) -> Iterator[None]:
    """Hold the lock `name` of `folder`; the kernel lets go of it however this process ends. Its file goes with it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".lock-{name}"
    while True:  # ends: each turn another run was done meanwhile
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(Step(f"Waiting for another run that prepares {name}"))
                fcntl.flock(file, fcntl.LOCK_EX)
            is_there = False
            with suppress(FileNotFoundError):
                is_there = os.path.samestat(os.fstat(file.fileno()), path.stat())
            if is_there:
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return


def _os_reason(error: OSError, version: str, cache: Path) -> str:
    """Return one sentence for what the operating system refused."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        needed = FREE_BYTES // 1_000_000_000
        return (
            f"Spark {version} needs {needed} GB of free disk under {cache}: "
            "free some, or set SPARKANYWHERE_CACHE to a larger disk."
        )
    if error.errno == errno.ENOMEM:
        return f"There is too little memory to prepare Spark {version}."
    return f"Could not prepare Spark {version} under {cache}: {error.strerror or error}."
