"""The cases as they are kept: JSON, a file for each group, requests and recorded answers side by side.

    {"group": "pods", "server": "kube-apiserver v1.36.3, ...", "cases": [
      {"id": "create", "title": "...", "steps": [{"request": {...}, "response": {...}}]}]}

Each case runs in a namespace of its own, `{ns}` in what it sends. A request has method and path, and as it needs them
body (an object, or text), ct and accept (media types), headers (`as-token: norights` is a user without rights), save
(variables, which later steps write as ${name}, by their pointers into the answer), watch with timeout (seconds),
max_events and during (requests sent meanwhile). What is only `prep` is not compared; of what is `brief` its size is.
A step {"sleep": seconds} waits. A file may also be one such case by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A case, as its file has it: answers recorded in its steps are written through."""

    group: str
    name: str
    steps: list[Json]

    def compared(self) -> Iterator[Json]:
        """Yield the steps whose answers are compared."""
        return (step for step in self.steps if "method" in step["request"] and not step["request"].get("prep"))


class CaseFile:
    """A file of cases."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: Json = json.loads(path.read_text("utf-8"))

    def cases(self) -> list[Case]:
        """Return its cases."""
        group, several = self._content["group"], self._content.get("cases") or [self._content]
        return [Case(group, case["id"], case["steps"]) for case in several]

    def save(self, server: str) -> None:
        """Write the file with the answers that its cases have now, recorded from that server."""
        self._content["server"] = server
        text = json.dumps(self._content, indent=1, ensure_ascii=False, sort_keys=True)
        self._path.write_text(f"{text}\n", "utf-8")


def read(folder: Path) -> list[CaseFile]:
    """Return the files of a folder, in order of their names."""
    return [CaseFile(path) for path in sorted(folder.glob("*.json"))]
