"""The API's usual URL as Spark's master, replaced by one that works where pods cannot resolve its names. Pure.

Spark's own default of spark.kubernetes.driver.master is such a URL, and so is the --master of tools that make drivers.
Nothing but Spark reads a k8s:// URL or these two properties. Any other mention of the URL may be an issuer, an
audience or part of a signed file, and stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import replace

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.spark_admission import PROPERTIES_KEY
from chalicelib.providers.address import with_words
from chalicelib.providers.base import File, Task

# Spark takes https where k8s:// names no scheme. Another port than 443, or a longer name, is somebody else's.
# Java's properties files escape colons.
_HOST = r"kubernetes(?:\.default(?:\.svc(?:\.cluster\.local)?)?)?(?:\\?:443(?!\d))?(?![\w\-]|\.\w|\\?:\d)"
_MASTER = r"spark\.(?:kubernetes\.driver\.)?master"
_IN_WORD = re.compile(rf"((?<![\w.\-])k8s://|(?:(?<![\w.\-])|(?<=-D)){_MASTER}=[\"']?(?=https:))(?:https://)?{_HOST}")
# A line after an odd backslash goes on with the value before.
_IN_PROPERTIES = re.compile(
    rf"(?<!(?<!\\)\\\n)^([ \t\f]*{_MASTER}(?:[ \t\f]*+[=:]|[ \t\f])[ \t\f]*+(?:k8s\\?://|(?=https)))(?:https\\?://)?{_HOST}",
    re.MULTILINE,
)


def with_api_url(task: Task, url: str, *, spec: JSON) -> Task:
    """Return the task with `url` for the API's as Spark's master: in env, commands and spark.properties.

    `spec` is the pod's: of its volumes only ConfigMaps hold properties that Spark wrote.
    """
    maps = {each["name"] for each in spec.get("volumes") or () if each.get("configMap")}

    def told(file: File) -> File:
        try:
            text = file.content.decode()
        except UnicodeDecodeError:
            return file
        return replace(file, content=rewritten_properties(text, url).encode())

    volumes = tuple(
        replace(volume, files=tuple(told(file) if file.path == PROPERTIES_KEY else file for file in volume.files))
        if volume.name in maps
        else volume
        for volume in task.volumes
    )
    return replace(with_words(task, lambda text: rewritten_word(text, url)), volumes=volumes)


def rewritten_word(text: str, url: str) -> str:
    """Return an argument or a variable's value with `url` for the API's in k8s:// URLs and settings of a master."""
    return _IN_WORD.sub(lambda match: match[1] + url, text)


def rewritten_properties(text: str, url: str) -> str:
    r"""Return a properties file with `url` for the API's as a master, with `\:` for colons where that has it."""

    def replaced(match: re.Match[str]) -> str:
        return match[1] + (url.replace(":", "\\:") if "\\:" in match[0] else url)

    return _IN_PROPERTIES.sub(replaced, text)
