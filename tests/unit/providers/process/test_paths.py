"""Mentions of a container's paths become paths of the host."""

from __future__ import annotations

import pytest

from chalicelib.providers.process.paths import PathMap

PATHS = PathMap([("/opt/spark", "/home/u/spark"), ("/opt/spark/conf", "/t/conf"), ("/data/", "/t/data")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", "/t/data"),
        ("/data/", "/t/data/"),
        ("/data/x.txt", "/t/data/x.txt"),
        ("/opt/spark/conf/spark.properties", "/t/conf/spark.properties"),
        ("/opt/spark/config", "/home/u/spark/config"),
        ("local:///opt/spark/examples/pi.py", "local:///home/u/spark/examples/pi.py"),
        ("file:/data/a", "file:/t/data/a"),
        (
            "-Dlog4j.configurationFile=/opt/spark/conf/log4j2.properties",
            "-Dlog4j.configurationFile=/t/conf/log4j2.properties",
        ),
        ("-javaagent:/opt/spark/jars/a.jar=/data/x", "-javaagent:/home/u/spark/jars/a.jar=/t/data/x"),
        ("/usr/bin:/data:/opt/spark/bin", "/usr/bin:/t/data:/home/u/spark/bin"),
        (
            "cat '/data/a' \"/data/b\" >/data/c;ls /data",
            "cat '/t/data/a' \"/t/data/b\" >/t/data/c;ls /t/data",
        ),
        ("a=/data,b=/data", "a=/t/data,b=/t/data"),
    ],
)
def test_a_mention_is_rewritten(text: str, expected: str) -> None:
    assert PATHS.rewrite(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/database",
        "/data2/x",
        "/data-2",
        "/data.txt",
        "/mnt/data",
        "./data",
        "~/data",
        "../data",
        "$HOME/data",
        "${HOME}/data",
        "$(pwd)/data",
        "*/data",
        "https://data/x",
        "s3a://bucket/data",
        "hdfs://host:8020/data",
        "/opt/sparkling",
        "",
    ],
)
def test_what_only_looks_like_a_mention_is_left_alone(text: str) -> None:
    assert PATHS.rewrite(text) == text


def test_what_was_rewritten_is_not_rewritten_again() -> None:
    paths = PathMap([("/a", "/b/a"), ("/b", "/c")])

    assert paths.rewrite("/a /b") == "/b/a /c"


def test_a_path_in_a_properties_file_is_escaped() -> None:
    paths = PathMap([("/data", "/odd:dir#1/data")])

    rewritten = paths.rewrite_properties("spark.jars=local\\:///data/x.jar\nother=/data\n")

    assert rewritten == "spark.jars=local\\:///odd\\:dir\\#1/data/x.jar\nother=/odd\\:dir\\#1/data\n"


def test_without_places_nothing_is_rewritten() -> None:
    assert PathMap([]).rewrite("/data") == "/data"
