"""What to do about an error that is known: the table."""

from __future__ import annotations

import re

_ADVICE: tuple[tuple[str, str], ...] = (
    (r"S3AFileSystem|No FileSystem for scheme \"?s3", "--with s3 brings its jars"),
    (r"DATA_SOURCE_NOT_FOUND|Failed to find (?:the )?data source", "bring its jar by --with, --packages or --jars"),
    (r"ClassNotFoundException|NoClassDefFoundError", "bring its jar by --packages or --jars"),
    (
        r"NoSuchMethodError|NoSuchFieldError|IncompatibleClassChangeError",
        "a jar is for another version of Spark or Scala",
    ),
    (r"UnsupportedClassVersionError", "a jar is for a newer Java"),
    (
        r"AccessDenied|Status Code: 403|403 Forbidden|NoCredentials|NoAuthWithAWS|Unable to load (?:AWS )?credentials",
        "the job's role or credentials do not allow it",
    ),
)
_TABLE = tuple((re.compile(pattern), advice) for pattern, advice in _ADVICE)


_NO_MODULE = re.compile(r"No module named '([\w.]+)'$")


def advice(text: str, python: str) -> str:
    """Return what to do about an error, "" if that is not known. `python` is as in driver_cause."""
    if found := _NO_MODULE.search(text):
        install = (
            f"`{python} -m pip install {found[1].partition('.')[0]}`, by --requirements, or choose another --python"
        )
        bring = install if python else "bring it by --requirements or in the image"
        return f"{bring}; a module of your own comes by --py-files"
    return next((said for pattern, said in _TABLE if pattern.search(text)), "")


def more_memory(role: str, *, heap: bool) -> str:
    """Return which setting gives a driver or an executor more memory: its Java heap, or its whole pod."""
    setting = f"raise --{role}-memory (spark.{role}.memory)"
    return setting if heap else f"{setting} or spark.{role}.memoryOverhead"


def short_of_memory(cause: str) -> tuple[str, bool] | None:
    """Return who had too little memory by a cause that more_memory() ends, and whether of its heap; None: nobody."""
    asked = ((role, heap) for heap in (False, True) for role in ("driver", "executor"))  # the longer words first
    return next((each for each in asked if more_memory(each[0], heap=each[1]) in cause), None)
