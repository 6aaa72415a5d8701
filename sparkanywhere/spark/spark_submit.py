"""The command line and environment of a stock, unmodified spark-submit in cluster mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sparkanywhere.client.failure import Failure
from sparkanywhere.spark.spark_distribution import example_jar

SPARK_PI = "org.apache.spark.examples.SparkPi"
# For the JVMs that only ask for the driver, two seconds each: the quick compiler alone and the plain collector
# halve their processor time. Never for drivers and executors, whose work may be long.
SHORT_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
IMAGE_HOME = "/opt/spark"  # SPARK_HOME inside every Spark image
NAMES_OF_JAVA_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")


class NoSuchExample(Failure):
    """EXAMPLE names nothing that can run; str() is one sentence."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, as spark-submit takes it: the main file's URL, its class (Java, Scala), its arguments.

    `file` is the main file on this machine where it is the user's own and in no image.
    """

    name: str
    resource: str
    main_class: str = ""
    args: tuple[str, ...] = ()
    file: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """One program, the image that its pods run, how many executors, and further settings."""

    program: Program
    image: str
    instances: int
    conf: Mapping[str, str] = field(default_factory=dict)


def find_program(example: str, args: Sequence[str], *, spark_home: Path, main_class: str = "") -> Program:
    """Return what EXAMPLE means: SparkPi, an example of Spark's own (pi.py), or a .py or .jar of the user's.

    A file of the user's is named by its path on this machine. Raises NoSuchExample.
    """
    if example == "SparkPi":
        jar = example_jar(spark_home, spark_home.name).name
        return Program("SparkPi", f"local://{IMAGE_HOME}/examples/jars/{jar}", SPARK_PI, tuple(args))
    own = Path(example).expanduser()
    if own.suffix not in (".py", ".jar"):
        raise NoSuchExample(f"EXAMPLE={example} is neither SparkPi nor a .py or .jar file.")
    if own.is_file():
        if own.suffix == ".jar" and not main_class:
            raise NoSuchExample(f"EXAMPLE={example} is a jar: say which class to run with CLASS=.")
        path = str(own.resolve())
        return Program(own.stem, f"local://{path}", main_class, tuple(args), path)
    shipped = Path("examples/src/main/python") / example
    if own.suffix == ".py" and (spark_home / shipped).is_file():
        return Program(own.stem, f"local://{IMAGE_HOME}/{shipped}", "", tuple(args))
    raise NoSuchExample(f"EXAMPLE={example} was not found here nor among Spark's own examples.")


def in_containers(program: Program) -> tuple[Program, dict[str, str]]:
    """Return the program as containers find it, and the settings that mount the user's own file there.

    The file alone is mounted: its folder may be closed to the image's user.
    """
    if not program.file:
        return program, {}
    inside = f"{IMAGE_HOME}/work-dir/{Path(program.file).name}"
    settings: dict[str, str] = {}
    for role in ("driver", "executor"):
        volume = f"spark.kubernetes.{role}.volumes.hostPath.program"
        settings[f"{volume}.options.path"] = program.file
        settings[f"{volume}.mount.path"] = inside
        settings[f"{volume}.mount.readOnly"] = "true"
    return replace(program, resource=f"local://{inside}"), settings


def command(submission: Submission, spark_home: Path, *, master: str) -> list[str]:
    """Return the command line that submits to the API server at the URL `master`."""
    program = submission.program
    line = [str(spark_home / "bin" / "spark-submit"), "--master", f"k8s://{master}"]
    line += ["--deploy-mode", "cluster", "--name", program.name]
    conf = {
        "spark.kubernetes.container.image": submission.image,
        "spark.kubernetes.namespace": "default",
        "spark.executor.instances": str(submission.instances),
        # We follow the pods ourselves, so the submitting JVM may end as soon as they are asked for.
        "spark.kubernetes.submission.waitAppCompletion": "false",
        **submission.conf,
    }
    for key, value in conf.items():
        line += ["--conf", f"{key}={value}"]
    if program.main_class:
        line += ["--class", program.main_class]
    return [*line, program.resource, *program.args]


def environment(environ: Mapping[str, str], *, spark_home: Path, kubeconfig: Path) -> dict[str, str]:
    """Return the environment for spark-submit: this Spark, its Java, and our cluster instead of the user's.

    Spark's client reads KUBECONFIG and proxies on its own; a proxy would never reach this machine. It is given the
    patience that drivers are given (the control plane's controllers/translation/spark_admission.py).
    """
    kept = {name: value for name, value in environ.items() if name not in NAMES_OF_JAVA_PROXIES}
    return {
        "KUBERNETES_REQUEST_RETRY_BACKOFFLIMIT": "7",
        **{name: value for name, value in kept.items() if not name.startswith(("SPARK_", "PYSPARK_"))},
        "SPARK_HOME": str(spark_home),
        "JAVA_HOME": (spark_home / "JAVA_HOME").read_text().strip(),
        "KUBECONFIG": str(kubeconfig),
        "SPARK_LAUNCHER_OPTS": SHORT_JVM,
        "SPARK_SUBMIT_OPTS": SHORT_JVM,
    }
