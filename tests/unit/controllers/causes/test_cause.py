"""What no recorded log shows: other layouts, other languages, hostile text, and paths and secrets that are not told."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.cause import MAX_SENTENCE, driver_cause, init_cause
from chalicelib.controllers.causes.redaction import named_secrets, plain_secrets, redacted, values_of
from chalicelib.controllers.causes.user_paths import UserPaths

UID = "0f0e0d0c-0000-4000-8000-000000000001"
STATE = f"/srv/state/pods/tasks/{UID}"


def driver(*args: str, **container: object) -> JSON:
    made = {"name": "c", "args": ["driver", "--class", "Main", *(args or ("file:///opt/files/job.py",))], **container}
    return {"metadata": {"uid": UID}, "spec": {"containers": [made]}}


@pytest.mark.parametrize(
    ("code", "log", "sentence"),
    [
        (1, "", "exit code 1, without a word of why"),
        (143, "", "exit code 143 (SIGTERM), without a word of why"),
        (1, "26/11/30 00:00:00 ERROR Foo: no disk\n", "exit code 1, and the last error in its log is"),
        (
            2,
            "usage: job.py [-h] DAY\njob.py: error: no DAY\n",
            "exit code 2, and its last line is: job.py: error: no DAY",
        ),
        (
            1,
            "Error occurred during initialization of VM\nToo small maximum heap\n",
            "exit code 1, and its last line is: Too small maximum heap",
        ),
        (
            1,
            "Invalid maximum heap size: -Xmx1x\nError: Could not create the Java Virtual Machine.\n"
            "Error: A fatal exception has occurred. Program will exit.\n",
            "exit code 1, and its last line is: Invalid maximum heap size: -Xmx1x",
        ),
        (
            1,
            "Error in log(-1) : not a number\nExecution halted\n",
            "exit code 1, and its last line is: Error in log(-1)",
        ),
        (
            1,
            "[TABLE_NOT_FOUND] no t\n== SQL ==\nfrom t\n^^^\n",
            "exit code 1, and its last line is: [TABLE_NOT_FOUND] no t",
        ),
        (
            1,
            ": java.io.FileNotFoundException: No such file or directory: s3://bucket/logs\n"
            "\tat org.apache.hadoop.fs.s3a.S3AFileSystem.getFileStatus(S3AFileSystem.java:4002)\n"
            "\tat org.apache.spark.deploy.history.EventLogFileWriter.requireLogBaseDirAsDirectory(Event.scala:83)\n",
            "s3://bucket/logs, the folder of spark.eventLog.dir, is not there: make it first, in a bucket as an object"
            " whose name ends with /",
        ),
        (1, "  :: unresolved dependency: a#b;1: not found\n", "a#b;1 was not found in any repository: see --packages"),
        (
            1,
            "\tServer access error at url https://maven.example/m2/a/b/1/b-1.pom"
            " (java.net.UnknownHostException: maven.example)\n"
            'Exception in thread "main" java.lang.RuntimeException: [unresolved dependency: a#b;1: not found]\n',
            "a#b;1 was not found in any repository, and https://maven.example could not be reached:"
            " java.net.UnknownHostException: maven.example",
        ),
        (
            3,
            'Traceback (most recent call last):\n  File "x", line 1, in f\nOSError: x\ngave up\n',
            "exit code 3, and its",
        ),
        (
            1,
            'Traceback (most recent call last):\n  File "/opt/files/job.py", line 1, in f\nOSError\n',
            "OSError at job.py:1 in f",
        ),
        (
            1,
            "Traceback (most recent call last):\n"
            f'  File "{STATE}/volumes/files/job.py", line 4, in <module>\n'
            f"FileNotFoundError: [Errno 2] No such file: '{STATE}/containers/c/work/in.csv'\n",
            "FileNotFoundError: [Errno 2] No such file: 'in.csv' at job.py:4",
        ),
        (
            1,
            "Traceback (most recent call last):\n"
            '  File "/tmp/spark-0f/userFiles-1/lib/etl.py", line 4, in load\n'
            '  File "/venv/lib/python3.12/site-packages/x/y.py", line 9, in read\n'
            "x.errors.ReadError: bad\n"
            "Exception ignored in: <function Popen.__del__ at 0x7f>\n"
            "Traceback (most recent call last):\n"
            '  File "/usr/lib/python3.12/subprocess.py", line 1, in __del__\n'
            "AttributeError: 'Popen'\n",
            "ReadError: bad at lib/etl.py:4 in load",
        ),
        (
            1,
            'Exception in thread "main" java.nio.file.AccessDeniedException: s3a://b/in.csv: getFileStatus\n'
            "\tat org.apache.hadoop.fs.s3a.S3AUtils.translate(S3AUtils.java:1)\n"
            "Caused by: software.amazon.awssdk.services.s3.model.S3Exception: (Service: S3, Status Code: 403)\n"
            "\t... 9 more\n",
            "AccessDeniedException: s3a://b/in.csv: getFileStatus: the job's role or credentials",
        ),
        (
            1,
            'Exception in thread "main" java.lang.NoClassDefFoundError: org/x/Codec\n'
            "\tat com.example.Main.main(Main.java:7)\n"
            "Caused by: java.lang.ClassNotFoundException: org.x.Codec\n"
            "\t... 9 more\n",
            "NoClassDefFoundError: org/x/Codec at Main.java:7, after ClassNotFoundException: org.x.Codec: bring its",
        ),
        (
            1,
            "Calling System.exit() with exit code 1 because spark.submit.callSystemExitOnMainExit=true\n"
            'java.lang.NumberFormatException: For input string: "abc"\n'
            "\tat java.base/java.lang.Integer.parseInt(Integer.java:668)\n"
            "\tat com.example.Main.main(Main.java:7)\n",
            'NumberFormatException: For input string: "abc" at Main.java:7',
        ),
        (
            3,
            "on page 3\n"
            "Calling System.exit() with exit code 3 because spark.submit.callSystemExitOnMainExit=true\n"
            "org.apache.spark.SparkUserAppException: User application exited with 3\n"
            "\tat org.apache.spark.deploy.PythonRunner$.main(PythonRunner.scala:115)\n",
            "exit code 3, and its last line is: on page 3",
        ),
        (
            1,
            "26/11/30 00:00:00 ERROR SparkContext: Error initializing SparkContext.\n"
            "org.apache.spark.SparkException: External scheduler cannot be instantiated\n"
            "\tat org.apache.spark.SparkContext$.create(SparkContext.scala:1)\n"
            "Caused by: java.net.ConnectException: Connection refused\n"
            "\tat java.base/sun.nio.ch.Net.connect0(Net.java:1)\n",
            "ConnectException: Connection refused",
        ),
        (
            1,
            "  + Exception Group Traceback (most recent call last):\n"
            '  |   File "/opt/files/job.py", line 4, in <module>\n'
            "  | ExceptionGroup: two (1 sub-exception)\n"
            "  +-+---------------- 1 ----------------\n"
            "    | ValueError: one\n"
            "    +------------------------------------\n",
            "ExceptionGroup: two (1 sub-exception) at job.py:4",
        ),
    ],
)
def test_a_log_says_why(code: int, log: str, sentence: str) -> None:
    assert driver_cause(driver(), code, log).sentence.startswith(sentence)


NO_MODULE = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'yaml.nodes'\n"


@pytest.mark.parametrize(
    ("python", "hint"),
    [
        ("/venv/bin/python", "`/venv/bin/python -m pip install yaml`, by --requirements, or choose another --python"),
        ("", "bring it by --requirements or in the image"),
    ],
)
def test_a_module_that_is_missing_is_brought_to_where_the_program_ran(python: str, hint: str) -> None:
    sentence = driver_cause(driver(), 1, NO_MODULE, python=python).sentence

    assert sentence.endswith(f": {hint}; a module of your own comes by --py-files")


def test_a_connection_that_is_refused_before_the_program_is_of_its_files() -> None:
    log = (
        'Exception in thread "main" java.net.ConnectException: Connection refused\n'
        "\tat java.base/sun.nio.ch.Net.pollConnect(Native Method)\n"
    )
    sentence = driver_cause(driver("https://127.0.0.1:1/x.py"), 1, log).sentence

    assert sentence == "ConnectException: Connection refused, fetching https://127.0.0.1:1/x.py"


def test_a_program_that_only_exits_is_not_surely_explained() -> None:
    assert not driver_cause(driver(), 3, "no rows\n").is_sure
    assert driver_cause(driver(), 1, "Error: Failed to load class com.example.A.\n").is_sure


def test_an_init_container_is_explained_by_its_last_word() -> None:
    assert init_cause(
        driver(), "fetch-files", 1, "noise\nfetch-files: big.zip could not be fetched: 403\n"
    ).sentence == ("big.zip could not be fetched: 403")
    assert not init_cause(driver(), "fetch-files", 1, "").is_sure


@pytest.mark.parametrize(
    "line",
    [
        "a." * 1000,
        "a.A" * 600,
        "Traceback (most recent call last):",
        '  File "x", line 1, in f',
        "|+-" * 600,
        "/" * 2000,
        "Lost task 1.0 in stage 0.0 (TID 1) (" * 50,
        "\x00\x1b[31m" * 300,
        "java.lang.OutOfMemoryError: " * 80,
        "Caused by: a.B: " * 100,
    ],
)
def test_a_hostile_log_ends_in_a_short_sentence(line: str) -> None:
    sentence = driver_cause(driver(), 1, f"{line}\n" * 2000).sentence

    assert "\n" not in sentence
    assert len(sentence) <= MAX_SENTENCE + 1


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("file:/opt/spark/work-dir/in.csv", "in.csv"),
        ("/opt/files/job.py", "job.py"),
        ("/opt/files/lib.zip/a/b.py", "lib.zip/a/b.py"),
        ("/home/ana/in.csv", "/home/ana/in.csv"),
        (f"{STATE}/volumes/files/job.py", "job.py"),
    ],
)
def test_a_path_is_shown_as_the_user_named_it(path: str, shown: str) -> None:
    assert UserPaths(driver("--py-files", "/opt/files/lib.zip", "file:///opt/files/job.py")).shown(path) == shown


def test_a_pod_without_arguments_names_no_program() -> None:
    assert UserPaths({}).program == ""
    assert UserPaths(driver("--conf", "a=b")).program == ""


def test_secrets_are_taken_out_of_a_sentence() -> None:
    environment = [
        {"name": "DB_PASSWORD", "value": "hunter2"},
        {"name": "DAY", "value": "seven"},
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}},
    ]
    pod = driver(env=environment, envFrom=[{"secretRef": {"name": "more"}}])
    pod["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "mounted"}}]

    said = redacted(
        "ValueError: hunter2 of seven at s3cr3t, jdbc:pg://ana:pw1@h/d?password=pw2&x=1 AKIAABCDEFGHIJKLMNOP",
        [*plain_secrets(pod), *values_of({"data": {"k": "czNjcjN0", "bad": "%", "binary": "/w=="}})],
    )

    assert said == "ValueError: *** of seven at ***, jdbc:pg://ana:***@h/d?password=***&x=1 ***"
    assert named_secrets(pod) == {"db", "more", "mounted"}
