"""The fields of a JobSpec: the one table of what can be said of a job.

Options, keys of a job file, their JSON schema, properties of Spark and the docs are made of it. References: Spark 4.3
docs, Configuration, and Running on Kubernetes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkanywhere.jobs.job_option import job_field, options_of

DEFAULT_SPARK = "4.3.0"
BROUGHT = "files in a volume"
TEMPLATE_PATH, TEMPLATE_FILE = "/opt/spark/pod-template", "pod-spec-template.yml"  # in the driver, of its executors


# What of Spark's decommissioning has to be on for it: an executor that is told to end hands its shuffle data over.
KEEPS_SHUFFLE = (
    "spark.decommission.enabled",
    "spark.storage.decommission.enabled",
    "spark.storage.decommission.shuffleBlocks.enabled",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFields:
    """What to run and how. Memory is in Spark's words; times are in seconds."""

    application: str = job_field("The program: a .py or a .jar, here, in the image or at a URL.", flag=None)
    args: tuple[str, ...] = job_field(
        "An argument for the program; repeatable. What follows the program is its own as well.",
        (),
        flag="--arg",
        splits=False,
        pod="args of the container",
    )
    main_class: str = job_field(
        "Main class of a .jar.", "", flag="--class", key="class", metavar="CLASS", pod="args of the container"
    )
    name: str = job_field(
        "Name of the application; default: its file's.", "", conf="spark.app.name", attribute="app_name"
    )
    namespace: str = job_field(
        "Namespace of its pods; default: the context's.", "default", flag=None, conf="spark.kubernetes.namespace"
    )
    executors: int = job_field(
        "How many executors.", 2, aliases=("--num-executors",), conf="spark.executor.instances", at_least=1
    )
    executor_cores: int = job_field("Cores of an executor.", 1, conf="spark.executor.cores", at_least=1)
    executor_memory: str = job_field(
        "Heap of an executor: 512m, 4g.", "1g", metavar="SIZE", conf="spark.executor.memory", is_size=True
    )
    driver_cores: int = job_field("Cores of the driver.", 1, conf="spark.driver.cores", at_least=1)
    driver_memory: str = job_field(
        "Heap of the driver.", "1g", metavar="SIZE", conf="spark.driver.memory", is_size=True
    )
    dynamic_allocation: bool = job_field(
        "Let Spark grow and shrink up to --executors.",
        False,
        makes={
            "spark.dynamicAllocation.enabled": "true",
            "spark.dynamicAllocation.shuffleTracking.enabled": "true",
            "spark.dynamicAllocation.maxExecutors": "{spec.executors}",
        },
    )
    conf: Mapping[str, str] = job_field("A Spark setting; repeatable.", {}, aliases=("-c",), makes={})
    py_files: tuple[str, ...] = job_field(
        "Python files and zips, separated by commas.", (), conf="spark.submit.pyFiles", makes={}, pod=BROUGHT
    )
    files: tuple[str, ...] = job_field(
        "Files for the working directory, separated by commas.", (), conf="spark.files", makes={}, pod=BROUGHT
    )
    jars: tuple[str, ...] = job_field("Jars, separated by commas.", (), conf="spark.jars", makes={}, pod=BROUGHT)
    archives: tuple[str, ...] = job_field(
        "Archives to unpack, separated by commas: env.tar.gz#env.", (), conf="spark.archives", makes={}, pod=BROUGHT
    )
    packages: tuple[str, ...] = job_field(
        "Maven coordinates, separated by commas; passed on to Spark.",
        (),
        conf="spark.jars.packages",
        # The image's user has no home that it may write to.
        makes={"spark.jars.packages": "{value}", "spark.jars.ivy": "/tmp/.ivy2"},
    )
    exclude_packages: tuple[str, ...] = job_field(
        "What --packages is not to bring along: group:artifact, separated by commas.", (), conf="spark.jars.excludes"
    )
    jar_sets: tuple[str, ...] = job_field(
        "Jars that work with this Spark, separated by commas: s3, gcs, azure, iceberg, delta, hudi, kafka, postgres,"
        " xgboost.",
        (),
        flag="--with",
        key="with",
        metavar="NAME,NAME",
        makes={},
        pod="class path, and the settings of docs/data.md",
    )
    catalog: str = job_field(
        "The Iceberg catalog `lake`: glue, rest=URL or hadoop=FOLDER.",
        "",
        metavar="KIND[=PLACE]",
        makes={},
        pod="settings spark.sql.catalog.lake",
    )
    repositories: tuple[str, ...] = job_field(
        "Further Maven repositories for --packages, separated by commas.", (), conf="spark.jars.repositories"
    )
    driver_java_options: str = job_field("Options of the driver's Java.", "", conf="spark.driver.extraJavaOptions")
    driver_library_path: str = job_field("Folders of native libraries.", "", conf="spark.driver.extraLibraryPath")
    driver_class_path: str = job_field("More of the driver's class path.", "", conf="spark.driver.extraClassPath")
    env: Mapping[str, str] = job_field(
        "An environment variable; repeatable.",
        {},
        makes={"spark.executorEnv.{key}": "{value}"},
        pod="env of the container",
    )
    labels: Mapping[str, str] = job_field(
        "A label of the driver; repeatable.", {}, flag="--label", makes={}, pod="labels"
    )
    secrets: Mapping[str, str] = job_field(
        "Mount a Secret; repeatable.",
        {},
        flag="--secret",
        metavar="SECRET=/FOLDER",
        makes={"spark.kubernetes.executor.secrets.{key}": "{value}"},
        pod="volumes and volumeMounts",
    )
    secret_env: Mapping[str, str] = job_field(
        "A variable from a Secret; repeatable.",
        {},
        metavar="NAME=SECRET:KEY",
        makes={"spark.kubernetes.executor.secretKeyRef.{key}": "{value}"},
        pod="env of the container",
    )
    driver_template: str = job_field(
        "A pod to base the driver's on.",
        "",
        metavar="FILE",
        conf="spark.kubernetes.driver.podTemplateFile",
        makes={},
        pod="the pod that ours is laid over",
    )
    executor_template: str = job_field(
        "A pod to base executors' on.",
        "",
        metavar="FILE",
        conf="spark.kubernetes.executor.podTemplateFile",
        makes={"spark.kubernetes.executor.podTemplateFile": f"{TEMPLATE_PATH}/{TEMPLATE_FILE}"},
    )
    image: str = job_field(
        "Container image; default: ours of the Spark version.",
        "",
        conf="spark.kubernetes.container.image",
        attribute="image_name",
        pod="image of the container",
    )
    image_pull_policy: str = job_field(
        "When the image is pulled.",
        "IfNotPresent",
        conf="spark.kubernetes.container.image.pullPolicy",
        choices=("Always", "IfNotPresent", "Never"),
        pod="imagePullPolicy of the container",
    )
    spark: str = job_field(
        f"Version of Spark; default: {DEFAULT_SPARK}, or the newest that has builds of all of --with.",
        "",
        metavar="VERSION",
        pod="image of the container",
    )
    python: str = job_field(
        "Python of driver and executors: a path here for local processes, else in the image; default: your active one.",
        "",
        metavar="PATH",
        conf="spark.pyspark.python",
    )
    requirements: str = job_field(
        "Python packages to bring along: a requirements.txt, or a pyproject.toml with its dependencies.",
        "",
        metavar="FILE",
        makes={},
        pod="PYTHONPATH of the container",
    )
    service_account: str = job_field(
        "The driver's ServiceAccount.",
        "",
        conf="spark.kubernetes.authenticate.driver.serviceAccountName",
        pod="serviceAccountName",
    )
    spot: bool = job_field(
        "Executors on interruptible capacity, where the provider has it.",
        False,
        makes={
            "spark.kubernetes.executor.node.selector.sparkanywhere.io/capacity-type": "spot",
            "spark.decommission.enabled": "true",
        },
    )
    keep_shuffle: str = job_field(
        "Where executors that are ended leave their shuffle data if no other takes it: s3://..., gs://..., abfss://...,"
        " or on local processes a folder.",
        "",
        metavar="URL",
        attribute="shuffle_place",
        makes={
            **dict.fromkeys(KEEPS_SHUFFLE, "true"),
            "spark.storage.decommission.fallbackStorage.path": "{value}",
            "spark.storage.decommission.fallbackStorage.cleanUp": "true",
            # an executor leaves once a look finds all moved that began after its last task; Spark looks every 30 s
            "spark.storage.decommission.replicationReattemptInterval": "3s",
            "spark.kubernetes.executor.terminationGracePeriodSeconds": "120",  # as long as Spot gives; from Spark 4.1
            "spark.dynamicAllocation.shuffleTracking.enabled": "false",  # idle executors need not stay for their data
        },
    )
    arch: str = job_field(
        "Kind of processor; default: the provider's.",
        "",
        choices=("amd64", "arm64"),
        makes={"spark.kubernetes.node.selector.kubernetes.io/arch": "{value}"},
        pod="nodeSelector",
    )
    time_limit: int = job_field(
        "End the job after so long.", 0, metavar="SECONDS", at_least=0, pod="activeDeadlineSeconds of the pod or Job"
    )
    max_attempts: int = job_field(
        "Restart a failed driver, after a pause.", 1, at_least=1, at_most=100, pod="backoffLimit of a Job"
    )
    auto_size: bool = job_field(
        "Try again with more memory where it runs out of it, up to three times.", False, pod="a driver for each attempt"
    )
    max_usd: str = job_field(
        "End the job once it has cost so much.", "", metavar="DOLLARS", pod="the annotation sparkanywhere.io/max-usd"
    )
    keep_warm: str = job_field(
        "Keep as many tasks ready for the next job, for so long after the end of this one.",
        "",
        metavar="TIME",
        pod="the annotation sparkanywhere.io/keep-warm",
    )
    event_log: bool = job_field(
        "Keep the event log for `history`, where the control plane has a place for it.",
        True,
        pod="a PersistentVolumeClaim",
    )

    # No option: jars of this machine that pods have before their JVMs start, in front of its class path.
    class_path: tuple[str, ...] = ()

    @property
    def is_python(self) -> bool:
        """Return whether the application is a Python program."""
        return self.application.split("?")[0].endswith(".py")

    @property
    def app_name(self) -> str:
        """Return the application's name: given, or made of its file's."""
        return self.name or Path(self.application.split("?")[0]).stem

    @property
    def shuffle_place(self) -> str:
        """Return `keep_shuffle` as Spark takes it: a URL that ends with a slash."""
        scheme = "file://" if self.keep_shuffle.startswith("/") else ""
        return f"{scheme}{self.keep_shuffle.rstrip('/')}/" if self.keep_shuffle else ""

    @property
    def image_name(self) -> str:
        """Return the image of driver and executors: given, or ours of the Spark version."""
        return self.image or f"sparkanywhere/spark:{self.spark}"

    @property
    def named_files(self) -> tuple[str, ...]:
        """Return every file that the job names, the application first."""
        return (self.application, *self.py_files, *self.files, *self.jars, *self.archives, *self.class_path)


JOB_OPTIONS = options_of(JobFields)
BY_PROPERTY = {option.conf: option for option in JOB_OPTIONS.values() if option.conf}
