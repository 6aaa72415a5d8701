"""Where --packages are resolved: here and once, or by the job's driver; what is said where no repository answers."""

from __future__ import annotations

import errno
import shutil
import socket
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sparkanywhere.jars.jar_cache import JarsFailed
from sparkanywhere.jobs import packages
from sparkanywhere.jobs.packages import with_packages
from sparkanywhere.jobs.spark_properties import properties
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import nothing
from tests.unit.sparkanywhere.jars.maven_server import maven_server

# Notes how it was called, and leaves in the Ivy home what the case has prepared, or says what Ivy would and fails.
SUBMIT = """#!/bin/sh
echo "$DEFAULT_ARTIFACT_REPOSITORY $*" >> {log}
for word; do case "$word" in spark.jars.ivy=*) ivy=${{word#*=}};; esac; done
[ -d {jars} ] || {{ echo 'unresolved dependency: a#b;1: not found' >&2; exit 1; }}
cp -r {jars} "$ivy/jars"
"""


def job(**fields: object) -> JobSpec:
    return JobSpec(**{"application": "local:///etl.py", "packages": ("a:b:1",), **fields})  # type: ignore[arg-type]


def settings(spec: JobSpec) -> dict[str, str]:
    return properties(spec, name="etl", app_id="spark-1")


def brought(spec: JobSpec, environ: Mapping[str, str], *, is_local: bool = False) -> JobSpec:
    return with_packages(spec, environ, is_local=is_local, say=nothing)


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Yield an environment whose repository answers, of a user without a folder .m2."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with maven_server() as maven:
        yield {
            "SPARKANYWHERE_CACHE": str(tmp_path / "my cache"),
            "SPARKANYWHERE_MAVEN_MIRROR": maven.url,
            "PATH": "/bin",
        }


@pytest.fixture
def spark(environ: dict[str, str], tmp_path: Path) -> Path:
    """Lay out a Spark that resolves to the jars in a folder, which is returned."""
    home = Path(environ["SPARKANYWHERE_CACHE"]) / "spark" / job().spark
    jars = tmp_path / "jars"
    programs = {"bin/spark-submit": SUBMIT.format(log=tmp_path / "log", jars=jars), "java/bin/java": ""}
    for name, text in {**programs, "real/bin/java": ""}.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
        (home / name).chmod(0o755)
    (home / "java" / "real-home").write_text(str(home / "real"))
    (home / "JAVA_HOME").write_text(f"{home / 'java'}\n")
    jars.mkdir()
    for name in ("plain.jar", "with python.jar"):
        with zipfile.ZipFile(jars / name, "w") as jar:
            jar.writestr("module.py" if "python" in name else "A.class", "")
    return jars


@pytest.mark.usefixtures("spark")
def test_what_is_resolved_here_is_brought_like_jars_and_kept(environ: dict[str, str], tmp_path: Path) -> None:
    asked = job(packages=("a:b:1", "c:d:2"), exclude_packages=("e:f",), repositories=("https://mine",))

    first, again = brought(asked, environ), brought(asked, environ)

    assert [Path(each).name for each in first.jars] == ["plain.jar", "with python.jar"]
    assert [Path(each).name for each in first.py_files] == ["with python.jar"]
    assert "spark.jars.packages" not in settings(first)
    assert first == again
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith(f"{environ['SPARKANYWHERE_MAVEN_MIRROR']} --master local --conf spark.jars.ivy=")
    assert " --packages a:b:1,c:d:2 --exclude-packages e:f --repositories https://mine --class " in line


@pytest.mark.usefixtures("spark")
def test_other_packages_are_resolved_anew(environ: dict[str, str], tmp_path: Path) -> None:
    for asked in (job(), job(packages=("a:b:2",)), job(exclude_packages=("e:f",))):
        brought(asked, environ)

    assert len((tmp_path / "log").read_text().splitlines()) == 3


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    "asked",
    [
        job(packages=("a:b:1-SNAPSHOT",)),
        job(packages=("a:b:latest.release",)),
        job(image="mine:1"),
        job(conf={"spark.jars.ivy": "/mine"}),
        job(conf={"spark.jars.ivySettings": "/mine.xml"}),
        job(env={"DEFAULT_ARTIFACT_REPOSITORY": "https://mine"}),
        job(driver_java_options="-Dhttps.proxyHost=proxy"),
        job(spark="3.5.9"),
    ],
    ids=lambda spec: str((*spec.packages, spec.image, spec.spark, *spec.conf, *spec.env)),
)
def test_a_driver_resolves_what_changes_and_where_the_job_says_how(
    environ: dict[str, str], tmp_path: Path, asked: JobSpec
) -> None:
    spec = brought(asked, environ)

    assert (spec.packages, spec.jars) == (asked.packages, ())
    assert not (tmp_path / "log").exists()


def test_what_no_repository_has_is_one_sentence(spark: Path, environ: dict[str, str], tmp_path: Path) -> None:
    spark.rename(tmp_path / "gone")

    with pytest.raises(JarsFailed, match=r"^--packages cannot be resolved: a#b;1 was not found in any repository"):
        brought(job(), environ)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("#!/bin/sh\n", "No such file or directory: .*/ivy/jars"),
        ("#!/bin/sh\nexec sleep 600\n", "Ivy took more than 0.2 s"),
        ("no program", "Exec format error"),
    ],
)
def test_no_job_runs_without_jars_that_were_not_brought(
    spark: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    monkeypatch.setattr(packages, "RESOLVE_SECONDS", 0.2)
    submit = Path(environ["SPARKANYWHERE_CACHE"]) / "spark" / job().spark / "bin" / "spark-submit"
    submit.write_text(program)
    shutil.rmtree(spark)

    with pytest.raises(JarsFailed, match=f"^--packages cannot be resolved: .*{why}"):
        brought(job(), environ)


@pytest.mark.usefixtures("spark")
def test_jars_that_cannot_be_kept_end_the_job_and_are_resolved_again(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr(Path, "replace", full)
        with pytest.raises(JarsFailed, match="No space left on device"):
            brought(job(), environ)

    assert len(brought(job(), environ).jars) == 2


@pytest.mark.usefixtures("spark")
def test_jars_that_another_job_keeps_meanwhile_are_taken(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Path.replace

    def late(path: Path, target: Path) -> Path:
        shutil.copytree(path, target)
        return move(path, target)

    monkeypatch.setattr(Path, "replace", late)

    assert len(brought(job(), environ).jars) == 2


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("is_local", [True, False], ids=["processes", "containers"])
def test_a_mirror_that_is_a_folder_is_left_to_ivy(environ: dict[str, str], tmp_path: Path, *, is_local: bool) -> None:
    environ["SPARKANYWHERE_MAVEN_MIRROR"] = (tmp_path / "empty").as_uri()

    spec = brought(job(), environ, is_local=is_local)

    assert bool(spec.jars) is not is_local


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("is_local", [True, False], ids=["processes", "containers"])
def test_a_repository_that_says_nothing_is_not_waited_for(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_local: bool
) -> None:
    monkeypatch.setattr(packages, "PROBE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environ["SPARKANYWHERE_MAVEN_MIRROR"] = f"http://127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(
            JarsFailed, match=r"^--packages cannot be resolved: http://\S+ .* does not answer: timed out"
        ):
            brought(job(), environ, is_local=is_local)

    assert not (tmp_path / "log").exists()


def resolve_before(cache: Path) -> None:
    """Leave in an Ivy home what it has of a package that was resolved."""
    known = cache / "ivy" / "cache" / "a" / "b" / "ivy-1.xml"
    known.parent.mkdir(parents=True)
    known.touch()


def test_what_processes_have_in_their_ivy_home_needs_no_repository(environ: dict[str, str]) -> None:
    environ["SPARKANYWHERE_MAVEN_MIRROR"] = "http://127.0.0.1:1"
    resolve_before(Path(environ["SPARKANYWHERE_CACHE"]))

    spec = brought(job(), environ, is_local=True)

    assert settings(spec)["spark.jars.ivy"] == f"{environ['SPARKANYWHERE_CACHE']}/ivy"


def test_processes_share_what_packages_they_have_resolved(environ: dict[str, str]) -> None:
    spec = brought(job(), environ, is_local=True)

    assert settings(spec)["spark.jars.ivy"] == f"{environ['SPARKANYWHERE_CACHE']}/ivy"


def test_other_drivers_resolve_packages_in_a_folder_that_any_image_has(environ: dict[str, str]) -> None:
    spec = brought(job(), environ, is_local=False)

    assert settings(spec)["spark.jars.ivy"] == "/tmp/.ivy2"


SETTINGS = "<settings><mirrors><mirror><mirrorOf>central</mirrorOf><url>{}</url></mirror></mirrors></settings>"


@pytest.mark.parametrize(
    ("variable", "url", "reaches_others"),
    [
        ("SPARKANYWHERE_MAVEN_MIRROR", "https://maven.example/m2", True),
        ("DEFAULT_ARTIFACT_REPOSITORY", "https://maven.example/m2", True),
        ("SPARKANYWHERE_MAVEN_MIRROR", "http://127.0.0.1:1", False),
        ("SPARKANYWHERE_MAVEN_MIRROR", "http://[::1]:8081/m2", False),
        ("DEFAULT_ARTIFACT_REPOSITORY", "https://localhost/m2", False),
        ("SPARKANYWHERE_MAVEN_MIRROR", "file:///m2", False),
        ("", "file:///m2", False),
        ("", "https://only.in.the.vpn.example/m2", False),
    ],
)
def test_packages_come_from_the_callers_mirror_where_pods_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, url: str, *, reaches_others: bool
) -> None:
    (tmp_path / ".m2").mkdir()
    (tmp_path / ".m2" / "settings.xml").write_text(SETTINGS.format(url))
    monkeypatch.setenv("HOME", str(tmp_path))
    asked, said = (job(), {"SPARKANYWHERE_CACHE": str(tmp_path), **({variable: url} if variable else {})})

    resolve_before(tmp_path)

    here, elsewhere = (brought(asked, said, is_local=is_local).env for is_local in (True, False))

    assert here == {"DEFAULT_ARTIFACT_REPOSITORY": url}
    assert elsewhere == (here if reaches_others else {})


def test_a_login_of_the_mirror_goes_into_no_environment(environ: dict[str, str]) -> None:
    resolve_before(Path(environ["SPARKANYWHERE_CACHE"]))
    with_login = {**environ, "SPARKANYWHERE_MAVEN_MIRROR": "https://me:secret@maven.example"}

    assert brought(job(), with_login, is_local=True).env == {}


def test_what_a_job_says_of_packages_stays(environ: dict[str, str]) -> None:
    own = {"DEFAULT_ARTIFACT_REPOSITORY": "https://mine"}
    asked = job(env=own, conf={"spark.jars.ivy": "/mine"})

    spec = brought(asked, environ, is_local=True)

    assert (spec.env, settings(spec)["spark.jars.ivy"]) == (own, "/mine")


def test_a_job_without_packages_is_left_as_it_is(environ: dict[str, str]) -> None:
    asked = job(packages=())

    assert brought(asked, environ, is_local=True) is asked
