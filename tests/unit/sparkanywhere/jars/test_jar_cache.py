"""Jars come whole and checked, side by side, from the repository that is set, and once; or one sentence says why."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from sparkanywhere.jars.jar_cache import TRIES, JarsFailed, cached, ensure_jars, missing
from sparkanywhere.jars.repository import Repository, find_repository
from sparkanywhere.jars.table import Jar
from sparkanywhere.spark.progress import Step
from tests.unit.sparkanywhere.jars.maven_server import CUT, ELSEWHERE, MavenServer

CONTENT = bytes(range(256)) * 400


def fetch(server: MavenServer, cache: Path, *jars: Jar) -> list[Path]:
    return ensure_jars(jars, cache=cache, repository=Repository(server.url, "a test"), sleep=lambda _seconds: None)


def left_over(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_jars_come_in_their_order_under_their_own_names(server: MavenServer, tmp_path: Path) -> None:
    jars = [server.add(f"org.a:b{number}:1.0", b"%d" % number) for number in range(20)]

    paths = fetch(server, tmp_path, *jars)

    assert [path.name for path in paths] == [f"b{number}-1.0.jar" for number in range(20)]
    assert [path.read_bytes() for path in paths] == [b"%d" % number for number in range(20)]
    assert len(left_over(tmp_path)) == 20


def test_the_second_time_nothing_is_asked_for(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    fetch(server, tmp_path, jar)
    server.asked.clear()

    nowhere = Repository("http://127.0.0.1:1", "a test")
    paths = ensure_jars([jar], cache=tmp_path, repository=nowhere)

    assert paths == [cached(jar, tmp_path)]
    assert server.asked == []


def test_jars_are_fetched_side_by_side(server: MavenServer, tmp_path: Path) -> None:
    server.together = threading.Barrier(3, timeout=30)
    jars = [server.add(f"org.a:b{number}:1", CONTENT) for number in range(3)]

    paths = fetch(server, tmp_path, *[replace(jar) for jar in jars])

    assert len(paths) == 3


def test_a_jar_with_another_content_is_refused_and_not_kept(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", b"evil", pinned=b"good")

    with pytest.raises(JarsFailed, match=r"org.a:b:1 of .* is not the published jar.*SPARKANYWHERE_MAVEN_MIRROR"):
        fetch(server, tmp_path, jar)

    assert left_over(tmp_path) == []


@pytest.mark.parametrize("pinned", [CONTENT + b"more", CONTENT[:-5]])
def test_a_jar_of_another_length_is_refused(server: MavenServer, tmp_path: Path, pinned: bytes) -> None:
    jar = server.add("org.a:b:1", CONTENT, pinned=pinned)

    with pytest.raises(JarsFailed, match=r"cannot be fetched from|is not given by"):
        fetch(server, tmp_path, jar)

    assert left_over(tmp_path) == []


def test_a_jar_that_is_not_there_is_said_at_once(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    server.contents.clear()

    with pytest.raises(JarsFailed, match=r"\(a test\) has no org.a:b:1, which --with needs"):
        fetch(server, tmp_path, jar)

    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_repository_that_wants_a_login_is_not_asked_again(server: MavenServer, tmp_path: Path, code: int) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    server.go_wrong(jar, *[code] * TRIES)

    with pytest.raises(JarsFailed, match=f"it answers {code}"):
        fetch(server, tmp_path, jar)

    assert len(server.asked) == 1


def test_a_repository_that_is_busy_is_asked_again(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    server.go_wrong(jar, 503, 429)

    (path,) = fetch(server, tmp_path, jar)

    assert path.read_bytes() == CONTENT


def test_a_connection_that_is_cut_is_taken_up_where_it_broke(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    server.go_wrong(jar, CUT)

    (path,) = fetch(server, tmp_path, jar)

    assert path.read_bytes() == CONTENT
    assert [asked[1] for asked in server.asked] == ["", f"bytes={len(CONTENT) // 2}-"]


def test_a_connection_that_is_cut_each_time_ends_in_a_sentence(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    server.go_wrong(jar, *[CUT] * TRIES)

    with pytest.raises(JarsFailed, match="the connection was cut after"):
        fetch(server, tmp_path, jar)

    assert left_over(tmp_path) == []


def test_without_a_way_to_the_repository_it_is_said_at_once(tmp_path: Path, server: MavenServer) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        nowhere = Repository(f"http://127.0.0.1:{unused.getsockname()[1]}", "a test")
        pauses: list[float] = []

        with pytest.raises(
            JarsFailed, match=r"refused.*a mirror that this machine reaches is set by SPARKANYWHERE_MAVEN"
        ):
            ensure_jars([jar], cache=tmp_path, repository=nowhere, sleep=pauses.append)

    assert pauses == []


def test_one_jar_that_fails_keeps_those_that_came(server: MavenServer, tmp_path: Path) -> None:
    good, bad = server.add("org.a:b:1", CONTENT), server.add("org.a:c:1", CONTENT + b"x")
    del server.contents[f"/maven2/{bad.coordinate.path}"]

    with pytest.raises(JarsFailed):
        fetch(server, tmp_path, good, bad)
    fetch(server, tmp_path, good)

    assert missing([good, bad], tmp_path) == [bad]


def test_two_runs_at_once_do_no_harm(server: MavenServer, tmp_path: Path) -> None:
    jars = [server.add(f"org.a:b{number}:1", CONTENT + b"%d" % number) for number in range(5)]
    found: list[list[Path]] = []
    runs = [threading.Thread(target=lambda: found.append(fetch(server, tmp_path, *jars))) for _ in range(3)]

    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert found == [[cached(jar, tmp_path) for jar in jars]] * 3
    assert len(left_over(tmp_path)) == 5


def test_a_jar_that_was_shortened_in_the_cache_is_fetched_again(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    (path,) = fetch(server, tmp_path, jar)
    path.write_bytes(b"")

    fetch(server, tmp_path, jar)

    assert path.read_bytes() == CONTENT


def test_a_cache_that_is_no_folder_names_the_variable(server: MavenServer, tmp_path: Path) -> None:
    (tmp_path / "jars").write_text("a file")

    with pytest.raises(JarsFailed, match="SPARKANYWHERE_CACHE"):
        fetch(server, tmp_path, server.add("org.a:b:1", CONTENT))


def test_progress_ends_at_all_bytes(server: MavenServer, tmp_path: Path) -> None:
    jars, steps = [server.add(f"org.a:b{number}:1", CONTENT) for number in range(3)], list[Step]()
    server.go_wrong(jars[0], CUT)

    ensure_jars(
        jars,
        cache=tmp_path,
        repository=Repository(server.url, "me"),
        progress=steps.append,
        sleep=lambda _seconds: None,
    )

    name = f"Downloading 3 jars from {server.url} (me)"
    assert steps[-1] == Step(name, 3 * len(CONTENT), 3 * len(CONTENT))


def test_a_mirror_with_a_login_gets_it_and_no_message_shows_it(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    url = server.url.replace("://", "://me:p%40ss@")
    repository = find_repository({"SPARKANYWHERE_MAVEN_MIRROR": url}, home=tmp_path)

    ensure_jars([jar], cache=tmp_path, repository=repository)

    assert server.asked[0][2] == "Basic bWU6cEBzcw=="
    assert str(repository) == f"{server.url} (SPARKANYWHERE_MAVEN_MIRROR)"
    assert "bWU6" not in repr(repository)


def test_a_login_goes_to_no_other_host(server: MavenServer, tmp_path: Path) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    server.go_wrong(jar, ELSEWHERE)
    url = server.url.replace("://", "://me:secret@")

    ensure_jars([jar], cache=tmp_path, repository=find_repository({"SPARKANYWHERE_MAVEN_MIRROR": url}, home=tmp_path))

    assert [bool(asked[2]) for asked in server.asked] == [True, False]


def test_a_folder_may_be_the_repository(tmp_path: Path, server: MavenServer) -> None:
    jar, mirror = server.add("org.a:b:1", CONTENT), tmp_path / "mirror"
    (mirror / jar.coordinate.path).parent.mkdir(parents=True)
    (mirror / jar.coordinate.path).write_bytes(CONTENT)

    (path,) = ensure_jars([jar], cache=tmp_path, repository=Repository(mirror.as_uri(), "a test"))

    assert path.read_bytes() == CONTENT


def test_readers_of_the_cache_may_be_others(server: MavenServer, tmp_path: Path) -> None:
    (path,) = fetch(server, tmp_path, server.add("org.a:b:1", CONTENT))

    assert os.stat(path).st_mode & 0o777 == 0o644
