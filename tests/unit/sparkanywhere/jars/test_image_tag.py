"""An image's tag says which jars it holds, and jobs take those of our table from it, and no others."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from sparkanywhere.jars.extended_image import SETS_LABEL, ensure_extended
from sparkanywhere.jars.image_tag import held_by, place, tag_of
from sparkanywhere.jars.table import jar_table
from sparkanywhere.jobs.jar_files import EXECUTORS_CLASS_PATH, in_image, with_jars
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.spark.progress import silent

SETS = ("postgres", "iceberg")


def image_of(spark: str, sets: tuple[str, ...] = SETS) -> str:
    return f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/spark:{tag_of(spark, sets)}"


def job(image: str, **fields: Any) -> JobSpec:
    return JobSpec(**{"application": "local:///etl.py", "image": image, "jar_sets": ("iceberg",), **fields})


@pytest.mark.parametrize("requirements", ["", "humanize\n"])
@pytest.mark.parametrize("name", ["sparkanywhere/spark", "localhost:5000/a/b"])
def test_a_tag_says_what_the_image_holds(name: str, requirements: str) -> None:
    held = held_by(f"{name}:{tag_of('4.1.4', SETS, requirements)}")

    assert held is not None
    assert (held.spark, held.sets) == ("4.1.4", SETS)


@pytest.mark.parametrize(
    "image",
    [
        "",
        "apache/spark",
        "sparkanywhere/spark:4.1.4",
        "sparkanywhere/spark:4.3.0-scala",
        "localhost:5000/spark",
        f"x:{tag_of('4.1.4', (), 'humanize')}",
        "x:4.1.4-iceberg-j00000000",  # jars of another table
        "x:4.1.4-unknown-j00000000",
        "x:4.3.0-iceberg-j00000000",
    ],
)
def test_other_tags_say_nothing(image: str) -> None:
    assert held_by(image) is None


def test_a_job_takes_from_its_image_what_that_holds_and_knows_its_spark() -> None:
    spec = with_jars(job(image_of("4.1.4")), {}, is_local=False)

    (iceberg,) = jar_table().jars(["iceberg"], "4.1.4")
    assert spec.spark == "4.1.4"
    assert spec.jars == (f"local://{place(iceberg)}",)


def test_before_spark_4_they_come_before_the_class_path() -> None:
    spec = with_jars(job(image_of("3.5.9")), {}, is_local=False)

    assert (spec.jars, spec.driver_class_path) == ((), spec.conf[EXECUTORS_CLASS_PATH])
    assert spec.driver_class_path.startswith("/opt/sparkanywhere/jars/")


@pytest.mark.parametrize(
    ("sets", "spark"), [(("iceberg", "delta"), ""), (("iceberg",), "4.0.5")], ids=["another set", "another Spark"]
)
def test_what_the_image_does_not_hold_is_brought(sets: tuple[str, ...], spark: str) -> None:
    assert not in_image(job(image_of("4.1.4"), jar_sets=sets, spark=spark))


def test_an_image_that_says_nothing_still_needs_its_spark_named() -> None:
    with pytest.raises(SpecError, match="say which it is by --spark"):
        job("mine:1")


class Engine:
    """Knows one image, and keeps the context that it is to build another of."""

    def __init__(self) -> None:
        self.context: dict[str, bytes] = {}
        self.built: dict[str, Any] = {}

    def inspect_image(self, name: str) -> dict[str, Any]:
        if name == "sparkanywhere/spark:4.1.4":
            return {"Id": "sha256:1"}
        if self.built.get("tag") == name:
            return {"Config": {"Labels": self.built["labels"]}}
        raise ImageNotFound(name)

    def build(self, *, fileobj: Iterator[bytes], **asked: Any) -> list[dict[str, str]]:
        self.built = asked
        with tarfile.open(fileobj=io.BytesIO(b"".join(fileobj))) as tar:
            self.context = {each.name: (tar.extractfile(each) or io.BytesIO()).read() for each in tar.getmembers()}
        return [{"stream": "Step 1/1 : FROM x"}]


def test_an_image_is_built_on_ours_once_with_jars_where_jobs_look(tmp_path: Path) -> None:
    (postgres,) = jar_table().jars(["postgres"], "4.1.4")
    file = tmp_path / "jars" / postgres.sha256 / postgres.coordinate.file_name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"j" * postgres.size)
    engine = Engine()

    names = {
        ensure_extended(
            engine, "sparkanywhere/spark:4.1.4", ["postgres"], None, cache=tmp_path, environ={}, progress=silent
        )
        for _ in range(2)
    }

    assert names == {f"sparkanywhere/spark:{tag_of('4.1.4', ['postgres'])}"} == {engine.built["tag"]}
    assert set(engine.context) == {"Dockerfile", f"image{place(postgres)}"}
    assert b"FROM sparkanywhere/spark:4.1.4\n" in engine.context["Dockerfile"]
    assert engine.built["labels"][SETS_LABEL] == "postgres"
