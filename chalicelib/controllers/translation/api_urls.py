"""The API's usual URL, as every cluster has it, replaced by one that works where pods cannot resolve its names. Pure.

Spark's own default of spark.kubernetes.driver.master is such a URL, and so is the --master of tools that make drivers.
"""

from __future__ import annotations

import re

from chalicelib.providers.address import with_texts
from chalicelib.providers.base import Task

_MARK = "kubernetes"
# Either prefix makes a URL of it, since Spark takes https where k8s:// names no scheme. Java's properties files escape
# colons. Another port than 443, or a longer name, is somebody else's.
_URL = re.compile(
    r"(?<![\w.\-])(?:(k8s\\?://)(?:https\\?://)?|https\\?://)"
    r"kubernetes(?:\.default(?:\.svc(?:\.cluster\.local)?)?)?(?:\\?:443(?!\d))?(?![\w\-]|\.\w|\\?:\d)"
)


def with_api_url(task: Task, url: str) -> Task:
    """Return the task with `url` for every URL of the API in its env, commands and files."""
    return with_texts(task, _MARK, lambda text: rewritten(text, url))


def rewritten(text: str, url: str) -> str:
    r"""Return the text with `url` for every URL of the API, with `\:` for colons where the one that it replaces has."""

    def replaced(match: re.Match[str]) -> str:
        return (match[1] or "") + (url.replace(":", "\\:") if "\\:" in match[0] else url)

    return _URL.sub(replaced, text)
