"""Which image of Spark an engine has is used, and which is built anew."""

from __future__ import annotations

from typing import Any

import pytest
from docker.errors import ImageNotFound

from sparkanywhere.spark.base_image import ImageFailed
from sparkanywhere.spark.image import PACKAGES_LABEL, RECIPE_LABEL, TITLE, TITLE_LABEL, Kind, ensure_image
from sparkanywhere.spark.progress import Step

VERSION = "4.3.0"
OURS = Kind.of(VERSION).labels


class Building(Exception):
    """An image is about to be built."""


class Engine:
    """An engine that has one image, with some labels, or none, and cannot build."""

    def __init__(self, labels: dict[str, str] | None, *, has_image: bool = True) -> None:
        self._labels, self._has_image = labels, has_image

    def inspect_image(self, _name: str) -> dict[str, Any]:
        """Return what there is of an image."""
        if not self._has_image:
            raise ImageNotFound("no such image")
        return {"Config": {"Labels": self._labels}}


def building(_step: Step) -> None:
    raise Building


@pytest.mark.parametrize(
    ("engine", "is_used"),
    [
        (Engine(OURS), True),
        (Engine({**OURS, PACKAGES_LABEL: "pandas==1"}), False),
        (Engine({**OURS, RECIPE_LABEL: "another"}), False),
        (Engine({TITLE_LABEL: TITLE}), False),
        (Engine({TITLE_LABEL: "mine"}), True),
        (Engine(None), True),
        (Engine(None, has_image=False), False),
    ],
    ids=[
        "ours",
        "ours with other packages",
        "ours made in another way",
        "ours of before",
        "of another title",
        "without labels",
        "none",
    ],
)
def test_an_image_of_ours_is_built_anew_when_it_is_not_todays(
    engine: Engine, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ensure_base(*_: object) -> str:
        raise Building

    monkeypatch.setattr("sparkanywhere.spark.image.ensure_base", ensure_base)

    def asked() -> str:
        return ensure_image(engine, VERSION, cache=None, environ={}, progress=building)  # type: ignore[arg-type]

    if is_used:
        assert asked() == f"sparkanywhere/spark:{VERSION}"
        return
    with pytest.raises(Building):
        asked()


def test_a_tag_says_whether_there_is_python_as_those_of_apache_spark_do() -> None:
    assert Kind.of("4.3.0") == Kind("4.3.0", has_python=True)
    assert Kind.of("4.3.0-scala") == Kind("4.3.0", has_python=False)
    assert Kind.of("4.3.0-scala").labels[PACKAGES_LABEL] == ""
    with pytest.raises(ImageFailed, match=r"4\.3\.0-scala has not"):
        Kind.of("4.3.0-java")
