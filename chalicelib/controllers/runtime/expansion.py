"""`$(VAR)` references in env values, command and args, expanded as Kubernetes does.

Compare kubernetes/third_party/forked/golang/expansion, and the API reference of EnvVar.value (v1.36):
an unknown name stays as it is, `$$` stands for `$`, and a lone `$` is itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"\$(?:(\$)|\(([^)]*)\))")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with each `$(NAME)` replaced by its value; values are not expanded again."""

    def replaced(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        return values.get(match[2], match[0])

    return _TOKEN.sub(replaced, text)
