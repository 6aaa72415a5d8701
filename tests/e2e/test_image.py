"""The image's archive of classes: used, also with a jar that was added, and left out where it does not fit."""

from __future__ import annotations

from contextlib import closing

import pytest

from chalicelib.config import Settings
from sparkanywhere.local.providers import engine
from sparkanywhere.spark.image import image_name
from tests.e2e.docker_cluster import image_for
from tests.e2e.spark_scenarios import NEWEST

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.timeout(900)]

# Each line that it prints: what was done, whether SparkSubmit came from the archive, and what was said about it.
SCRIPT = """
start() {
  what=$1
  shift
  java -Xlog:class+load:file=/tmp/loads "$@" org.apache.spark.deploy.SparkSubmit --version >/tmp/out 2>&1
  grep -q 'version' /tmp/out || cat /tmp/out
  said=$(sed -n 's/^sparkanywhere: .*classes: //p' /tmp/out)
  echo "$what|$(grep -c 'deploy.SparkSubmit source: shared' /tmp/loads)|$said"
}
cd /opt/spark/jars
start as-built -cp "$SPARK_HOME/conf:$PWD/*:/opt/spark/work-dir"
cp spark-tags_*.jar aaa-mine.jar
start added -cp "$PWD/*"
start heap -XX:+UseZGC -cp "$PWD/*"
touch -d 2020-01-01 spark-tags_*.jar
start replaced -cp "$PWD/*"
"""


def test_a_jvm_starts_from_the_archive_wherever_that_fits_and_says_where_not() -> None:
    image_for(NEWEST)
    with closing(engine(Settings.from_env())) as client:
        made = client.create_container(image_name(NEWEST), entrypoint=["bash", "-c"], command=[SCRIPT])["Id"]
        try:
            client.start(made)
            assert client.wait(made)["StatusCode"] == 0
            lines = client.logs(made).decode().splitlines()
        finally:
            client.remove_container(made, force=True)

    assert [line.split("|")[:2] for line in lines] == [
        ["as-built", "1"],
        ["added", "1"],
        ["heap", "0"],
        ["replaced", "0"],
    ]
    said = [line.split("|")[2] for line in lines]
    assert said[:2] == ["", ""]
    assert "UseZGC" in said[2]
    assert said[3].startswith("/opt/spark/jars/spark-tags_")
