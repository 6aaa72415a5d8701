"""Which later releases of the table's jars a repository has."""

from __future__ import annotations

from sparkanywhere.jars.coordinate import parse
from sparkanywhere.jars.repository import Repository
from tests.unit.sparkanywhere.jars.maven_server import maven_server
from tools.jar_sums import newer

VERSIONS = ("1.0", "1.1", "1.2-rc1", "1.2-SNAPSHOT", "1.2", "2.0.0-M1", "2.0.0rc1", "2.0.0-preview2", "2.0.0")


def test_releases_behind_ours_are_listed_and_no_previews() -> None:
    listed = "".join(f"<version>{each}</version>" for each in VERSIONS)
    with maven_server() as server:
        text = f"<metadata><versioning><versions>{listed}</versions></versioning></metadata>"
        server.contents["/maven2/a/b/maven-metadata.xml"] = text.encode()
        repository = Repository(server.url)

        assert newer(repository, parse("a:b:1.1")) == ["1.2", "2.0.0"]
        assert newer(repository, parse("a:b:2.0.0")) == []
        assert newer(repository, parse("a:unlisted:1.0")) == []
