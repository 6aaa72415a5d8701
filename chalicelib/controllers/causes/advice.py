"""What to do about an error that is known: the table."""

from __future__ import annotations

import re

_ADVICE: tuple[tuple[str, str], ...] = (
    (r"S3AFileSystem", "bring hadoop-aws by --packages"),
    (r"DATA_SOURCE_NOT_FOUND|Failed to find (?:the )?data source", "bring its jar by --packages or --jars"),
    (r"ClassNotFoundException|NoClassDefFoundError", "bring its jar by --packages or --jars"),
    (r"No module named", "bring it by --py-files or --archives, or in the image"),
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


def advice(text: str) -> str:
    """Return what to do about an error, "" if that is not known."""
    return next((said for pattern, said in _TABLE if pattern.search(text)), "")


def more_memory(role: str, *, heap: bool) -> str:
    """Return which setting gives a driver or an executor more memory: its Java heap, or its whole pod."""
    setting = f"raise --{role}-memory (spark.{role}.memory)"
    return setting if heap else f"{setting} or spark.{role}.memoryOverhead"
