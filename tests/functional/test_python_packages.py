"""Packages are installed once for what is asked for and who imports them; nothing half made is taken for whole."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from sparkanywhere.python_packages import PackagesFailed, Runtime, ensure_packages, packed, requirements_of

OURS = Runtime(sys.executable)
WHEEL = "tiny-1.0-py3-none-any.whl"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Return a wheel of one module, made by hand: no index is asked."""
    path = tmp_path / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", "ANSWER = 42\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return path


def test_packages_are_installed_once(tmp_path: Path, wheel: Path) -> None:
    folder = ensure_packages(f"./{wheel.name}  # ours\n", OURS, cache=tmp_path / "cache", beside=tmp_path)

    ran = subprocess.run(
        [sys.executable, "-c", "import tiny; print(tiny.ANSWER)"],
        env={"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
    )
    assert ran.stdout == b"42\n"
    wheel.unlink()
    assert ensure_packages(f"\n./{wheel.name}\n", OURS, cache=tmp_path / "cache", beside=tmp_path) == folder
    with tarfile.open(packed(folder)) as archive:
        assert "./tiny.py" in archive.getnames()


SOURCES = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "PKG-INFO": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "backend.py": f"import shutil\ndef build_wheel(folder, *_): return shutil.copy({WHEEL!r}, folder) and {WHEEL!r}\n",
}


def test_a_package_that_comes_as_source_alone_is_built_for_an_image(tmp_path: Path, wheel: Path) -> None:
    with tarfile.open(tmp_path / "tiny-1.0.tar.gz", "w:gz") as archive:
        archive.add(wheel, f"tiny-1.0/{wheel.name}")
        for name, text in SOURCES.items():
            about = tarfile.TarInfo(f"tiny-1.0/{name}")
            about.size = len(text)
            archive.addfile(about, io.BytesIO(text.encode()))
    wheel.unlink()

    folder = ensure_packages(
        f"--no-index\n--find-links {tmp_path}\ntiny==1.0\n", Runtime(), cache=tmp_path / "cache", beside=tmp_path
    )

    assert (folder / "tiny.py").read_text() == "ANSWER = 42\n"


def test_what_cannot_be_installed_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(PackagesFailed) as error:
        ensure_packages("./none-1.0-py3-none-any.whl\n", OURS, cache=tmp_path, beside=tmp_path)

    assert str(error.value).startswith("pip failed: ")
    assert "\n" not in str(error.value)
    assert [each.suffix for each in (tmp_path / "python").iterdir()] == [".lock"]


def test_an_index_that_is_not_reached_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"INDEX_URL": "http://127.0.0.1:9", "RETRIES": "1", "NO_INDEX": "0", "CONFIG_FILE": ""}.items():
        monkeypatch.setenv(f"PIP_{name}", value)

    with pytest.raises(PackagesFailed, match=r"^pip failed: it reached no package index$"):
        ensure_packages("tiny\n", OURS, cache=tmp_path)


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("no folder")

    with pytest.raises(PackagesFailed, match=r"^Python packages cannot be kept: "):
        ensure_packages("tiny\n", OURS, cache=tmp_path)


def test_another_python_or_another_list_is_another_folder(tmp_path: Path) -> None:
    runtimes = [OURS, Runtime(), Runtime(machine="aarch64"), Runtime(version="3.12")]

    folders = {ensure_packages("", each, cache=tmp_path) for each in runtimes}

    assert len(folders) == len({each.identity for each in runtimes}) == 4


def test_wheels_for_an_image_are_those_of_its_python_and_machine() -> None:
    command = " ".join(Runtime(version="3.11", machine="aarch64").command())

    assert "--python-version 3.11 --only-binary :all:" in command
    assert "--platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64" in command


def test_the_dependencies_of_a_project_are_requirements(tmp_path: Path) -> None:
    project, text = tmp_path / "pyproject.toml", tmp_path / "requirements.txt"
    project.write_text('[project]\nname = "a"\ndependencies = ["pandas>=2", "rich"]\n')
    text.write_text("pandas>=2\n")

    assert requirements_of(project) == "pandas>=2\nrich\n"
    assert requirements_of(text) == "pandas>=2\n"
    project.write_text("[")
    with pytest.raises(PackagesFailed, match=r"pyproject.toml cannot be read"):
        requirements_of(project)
    with pytest.raises(PackagesFailed, match=r"none.txt cannot be read"):
        requirements_of(tmp_path / "none.txt")
