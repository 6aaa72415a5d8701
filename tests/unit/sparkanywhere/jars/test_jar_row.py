"""A row of the table takes newer jars of a repository, those alone that may be tried, and all of them or none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkanywhere.jars.coordinate import expand, parse
from sparkanywhere.jars.repository import Repository
from sparkanywhere.jars.table import SUMS, TABLE
from tests.unit.sparkanywhere.jars.maven_server import MavenServer, maven_server
from tools.jar_row import RowRefused, listed, read, update

TEXT = """\
# A comment.
[spark."4.1"]
version = "4.1.4"

[spark."3.5"]
version = "3.5.9"

[catalogs]

[sets.s3]
about = "S3"
source = "hadoop-aws, 2026-11-30"

[sets.s3.spark."4.1"]
jars = ["org.apache.hadoop:hadoop-aws:3.4.2", "software.amazon.awssdk:{s3,sts}:2.29.52"]

[sets.iceberg]
about = "Iceberg"
source = "iceberg 1.12.0, 2026-11-30"

[sets.iceberg.spark."4.1"]
jars = ["org.apache.iceberg:iceberg-4.1:1.12.0"]  # why

[sets.iceberg.spark."3.5"]
jars = ["org.apache.iceberg:iceberg-3.5:1.12.0"]

[sets.kafka]
about = "Kafka"
source = "spark-sql-kafka, 2026-11-30"

[sets.kafka.spark."4.1"]
jars = [
  "org.apache.spark:{sql-kafka,token}:4.1.1",
  "org.apache.kafka:kafka-clients:3.9.1",
  "org.apache.commons:commons-pool2:2.12.1",
]

[sets.postgres]
about = "PostgreSQL"
source = "postgresql 42.7.14, 2026-11-30"

[sets.postgres.spark]
"4.1" = { jars = ["org.postgresql:postgresql:42.7.14"] }
"3.5" = { jars = ["org.postgresql:postgresql:42.7.14"] }
"""
POM = "<project xmlns='urn:x'><dependencies>{}</dependencies></project>"
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def publish(server: MavenServer, text: str, *versions: str, dependencies: str = "") -> None:
    """Keep artifacts in some versions, with list, checksums and pom; `text` is as in a row, without a version."""
    for version in versions:
        for jar in expand(f"{text}:{version}"):
            content, path = str(jar).encode(), f"/maven2/{jar.path}"
            server.contents[path] = content
            server.contents[f"{path}.sha1"] = hashlib.sha1(content, usedforsecurity=False).hexdigest().encode()
            server.contents[path.removesuffix(".jar") + ".pom"] = POM.format(dependencies).encode()
            listing = f"{path.rsplit('/', 2)[0]}/maven-metadata.xml"
            before = server.contents.get(listing, b"<m><versioning><versions></versions></versioning></m>").decode()
            added = f"<version>{version}</version></versions>"
            server.contents[listing] = before.replace("</versions>", added).encode()


@pytest.fixture
def server() -> Iterator[MavenServer]:
    """Yield a repository with some releases."""
    with maven_server() as server:
        publish(server, "org.apache.hadoop:hadoop-aws", "3.4.2", "3.5.0")
        publish(server, "org.apache.iceberg:iceberg-4.1", "1.12.0", "1.12.1", "1.13.0", "1.14.0-rc1")
        publish(server, "org.apache.iceberg:iceberg-3.5", "1.12.0")
        publish(server, "org.apache.spark:{sql-kafka,token}", "4.1.1")
        clients = DEPENDENCY.format("org.apache.kafka", "kafka-clients", "3.9.2")
        publish(server, "org.apache.spark:{sql-kafka,token}", "4.1.3", dependencies=clients)
        publish(server, "org.apache.spark:sql-kafka", "4.1.4")  # its token provider is not there yet
        publish(server, "org.apache.spark:{sql-kafka,token}", "4.2.0")
        publish(server, "org.apache.kafka:kafka-clients", "3.9.1", "3.9.2", "4.4.0")
        publish(server, "org.postgresql:postgresql", "42.7.14", "42.7.15")
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a table, whose jars are pinned."""
    (tmp_path / TABLE).write_text(TEXT)
    (tmp_path / SUMS).write_text("")
    jars = {jar for each in read(tmp_path).sets.values() for row in each.rows.values() for jar in row.coordinates}
    (tmp_path / SUMS).write_text("".join(f"{'0' * 64} 1 {jar}\n" for jar in sorted(jars)))
    return tmp_path


def updated(folder: Path, server: MavenServer, row: str, *, to: str = "") -> dict[str, str]:
    """Update a row; return what moved, as texts."""
    name, _, minor = row.partition("/")
    moved = update(folder, Repository(server.url), name, minor, to=to, today="2027-01-02")
    return {str(old): new.version for old, new in moved.items()}


def test_a_row_takes_the_newest_release_and_all_else_stays_as_it_is(folder: Path, server: MavenServer) -> None:
    assert updated(folder, server, "iceberg/4.1") == {"org.apache.iceberg:iceberg-4.1:1.12.0": "1.13.0"}

    text = TEXT.replace("iceberg-4.1:1.12.0", "iceberg-4.1:1.13.0")
    source = "iceberg 1.12.0, for Spark 4.1 1.13.0, 2027-01-02"
    assert (folder / TABLE).read_text() == text.replace("iceberg 1.12.0, 2026-11-30", source)
    sums = (folder / SUMS).read_text()
    assert f"{hashlib.sha256(b'org.apache.iceberg:iceberg-4.1:1.13.0').hexdigest()} 37 org.apache.iceberg" in sums
    assert "iceberg-4.1:1.12.0" not in sums


def test_what_is_named_is_taken_and_the_source_keeps_up(folder: Path, server: MavenServer) -> None:
    for version in ("1.12.1", "1.13.0"):
        updated(folder, server, "iceberg/4.1", to=version)

    assert 'source = "iceberg 1.12.0, for Spark 4.1 1.13.0, 2027-01-02"' in (folder / TABLE).read_text()


def test_jars_of_one_release_move_together_and_others_by_its_pom(folder: Path, server: MavenServer) -> None:
    assert updated(folder, server, "kafka/4.1") == {  # 4.1.4 is not whole, and 4.2.0 of a newer Spark
        "org.apache.spark:sql-kafka:4.1.1": "4.1.3",
        "org.apache.spark:token:4.1.1": "4.1.3",
        "org.apache.kafka:kafka-clients:3.9.1": "3.9.2",
    }
    assert '"org.apache.spark:{sql-kafka,token}:4.1.3"' in (folder / TABLE).read_text()


def test_a_row_of_one_line_moves_without_those_beside_it(folder: Path, server: MavenServer) -> None:
    updated(folder, server, "postgres/3.5")

    text = (folder / TABLE).read_text()
    assert '"3.5" = { jars = ["org.postgresql:postgresql:42.7.15"] }' in text
    assert '"4.1" = { jars = ["org.postgresql:postgresql:42.7.14"] }' in text
    assert "org.postgresql:postgresql:42.7.14" in (folder / SUMS).read_text()


@pytest.mark.parametrize(
    ("row", "to", "sentence"),
    [
        ("icberg/4.1", "", "there is no row icberg/4.1."),
        ("iceberg/4.0", "", "there is no row iceberg/4.0."),
        ("iceberg/3.5", "", "iceberg-3.5:1.12.0 is the last that"),
        ("s3/4.1", "", "hadoop-aws:3.4.2 is the last that"),  # for the Hadoop of that Spark
        ("iceberg/4.1", "9.9", "has not all of org.apache.iceberg:iceberg-4.1:9.9."),
        ("kafka/4.1", "4.1.4", "has not all of"),
    ],
)
def test_what_cannot_be_had_is_refused_and_changes_nothing(
    row: str, to: str, sentence: str, folder: Path, server: MavenServer
) -> None:
    before = [(folder / name).read_text() for name in (TABLE, SUMS)]

    with pytest.raises(RowRefused, match=sentence):
        updated(folder, server, row, to=to)

    assert [(folder / name).read_text() for name in (TABLE, SUMS)] == before


def test_rows_with_newer_jars_are_listed_with_the_command_that_takes_them(folder: Path, server: MavenServer) -> None:
    lines = list(listed(read(folder), Repository(server.url)))

    assert [(line.split()[0], line.split("ROW=")[1]) for line in lines] == [
        ("org.apache.iceberg:iceberg-4.1:1.12.0", "iceberg/4.1 takes 1.13.0"),
        ("org.apache.spark:sql-kafka:4.1.1", "kafka/4.1 takes 4.1.3"),
        ("org.postgresql:postgresql:42.7.14", "postgres/4.1 takes 42.7.15"),
        ("org.postgresql:postgresql:42.7.14", "postgres/3.5 takes 42.7.15"),
    ]
    assert parse(lines[0].split()[0]).artifact == "iceberg-4.1"
