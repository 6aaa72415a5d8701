"""Jars come from the mirror that is set, as for Maven and for Spark, else from Maven Central."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkanywhere.client.failure import Failure
from sparkanywhere.jars.coordinate import parse
from sparkanywhere.jars.repository import Repository, find_repository

NAMESPACE = 'xmlns="http://maven.apache.org/SETTINGS/1.2.0"'


def with_settings(home: Path, mirrors: str, servers: str = "", namespace: str = NAMESPACE) -> Path:
    (home / ".m2").mkdir()
    text = f"<settings {namespace}><servers>{servers}</servers><mirrors>{mirrors}</mirrors></settings>"
    (home / ".m2" / "settings.xml").write_text(text)
    return home


def mirror(of: str, url: str = "https://mirror.example/maven", name: str = "m") -> str:
    return f"<mirror><id>{name}</id><mirrorOf>{of}</mirrorOf><url>{url}</url></mirror>"


def test_without_any_setting_it_is_maven_central(tmp_path: Path) -> None:
    found = find_repository({}, home=tmp_path)

    assert str(found) == "Maven Central"
    assert found.url_of(parse("org.a.b:c_2.13:1.0:shaded")).endswith("/org/a/b/c_2.13/1.0/c_2.13-1.0-shaded.jar")
    assert found.url_of(parse("org.a.b:c:1.0")).startswith("https://")


@pytest.mark.parametrize("namespace", [NAMESPACE, ""])
@pytest.mark.parametrize("of", ["central", "*", "external:*", "*,!other", "other, central"])
def test_mavens_own_mirror_of_central_is_taken(tmp_path: Path, of: str, namespace: str) -> None:
    found = find_repository({}, home=with_settings(tmp_path, mirror(of), namespace=namespace))

    assert found.url == "https://mirror.example/maven"
    assert str(tmp_path) in str(found)


@pytest.mark.parametrize("of", ["other", "*,!central", "", "external:http:*"])
def test_a_mirror_of_something_else_is_not(tmp_path: Path, of: str) -> None:
    assert find_repository({}, home=with_settings(tmp_path, mirror(of))) == Repository()


def test_a_mirrors_server_gives_the_login(tmp_path: Path) -> None:
    server = "<server><id>m</id><username>me</username><password>${env.NEXUS}</password></server>"
    home = with_settings(tmp_path, mirror("central"), server)

    found = find_repository({"NEXUS": "secret"}, home=home)

    assert found.authorization == "Basic bWU6c2VjcmV0"


def test_a_settings_file_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    home = with_settings(tmp_path, "<broken>")

    assert find_repository({}, home=home) == Repository()


@pytest.mark.parametrize("url", ["maven.example/maven2", "ftp://maven.example", "s3://bucket"])
def test_what_is_no_url_of_a_repository_is_refused_by_its_variable(tmp_path: Path, url: str) -> None:
    with pytest.raises(Failure, match="of SPARKANYWHERE_MAVEN_MIRROR is no URL of a Maven repository"):
        find_repository({"SPARKANYWHERE_MAVEN_MIRROR": url}, home=tmp_path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("htps://me:s3cret@maven.example/m2", "htps://maven.example/m2"),
        ("me:s3cret@maven.example/m2", "maven.example/m2"),
        ("https://me:s3cret/x@maven.example/m2", "https://maven.example/m2"),
        ("https://me:s3cret#x@maven.example/m2", "https://maven.example/m2"),
        ("https://me:s3cret@[maven.example/m2", "https://[maven.example/m2"),
    ],
)
def test_no_message_shows_the_login_of_a_mistyped_url(tmp_path: Path, url: str, shown: str) -> None:
    with pytest.raises(Failure) as raised:
        find_repository({"SPARKANYWHERE_MAVEN_MIRROR": url}, home=tmp_path)

    assert str(raised.value).startswith(f"'{shown}' of SPARKANYWHERE_MAVEN_MIRROR is no URL of a Maven repository")


def test_a_request_has_the_login_for_its_own_host_alone() -> None:
    repository = Repository("https://maven.example", "a test", "Basic bWU6c2VjcmV0")

    asked = repository.request(parse("a:b:1"), ".sha1", headers={"Range": "bytes=1-"})

    assert asked.full_url == "https://maven.example/a/b/1/b-1.jar.sha1"
    assert asked.unredirected_hdrs == {"Authorization": "Basic bWU6c2VjcmV0"}
    assert asked.headers == {"Range": "bytes=1-"}


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("file:///home/me/.m2/repository", True),
        ("http://localhost:8081/m2", True),
        ("http://127.0.0.2/m2", True),
        ("http://[::1]/m2", True),
        ("https://maven.example/m2", False),
        ("", False),
    ],
)
def test_which_repositories_others_have_not_got(url: str, *, is_here: bool) -> None:
    assert Repository(url).is_of_this_machine is is_here


def test_our_variable_wins_over_sparks_and_that_over_mavens(tmp_path: Path) -> None:
    home = with_settings(tmp_path, mirror("central"))
    ours, sparks = {"SPARKANYWHERE_MAVEN_MIRROR": "https://ours"}, {"DEFAULT_ARTIFACT_REPOSITORY": "https://spark/"}

    assert find_repository({**ours, **sparks}, home=home).url == "https://ours"
    assert find_repository(sparks, home=home).url == "https://spark/"
    assert find_repository(sparks, home=home).url_of(parse("a:b:1")) == "https://spark/a/b/1/b-1.jar"
