"""How many answers agree, as a table, and which are too few."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tools.conformance.cases import Case, CaseFile, Json
from tools.conformance.levels import LEVELS, agreed, content_differences
from tools.conformance.replay import Replay

BEGIN, END = "<!-- conformance: written by make conformance -->", "<!-- conformance ends -->"
NOT_RECORDED: Json = {"status": None}
FLOORS = {"status": 0.97, "reason": 0.97, "given": 0.95, "shape": 0.90}


@dataclass(slots=True)
class Report:
    """Counts of compared requests by group, and of those that agree at each level; where they don't, sentences."""

    requests: Counter[str] = field(default_factory=Counter)
    agree: dict[str, Counter[str]] = field(default_factory=lambda: {level: Counter() for level in LEVELS})
    differing: list[str] = field(default_factory=list)

    def add(self, case: Case, step: Json, got: Json) -> None:
        """Take in the answer to one step."""
        want = step.get("response") or NOT_RECORDED
        levels = agreed(want, got)
        self.requests[case.group] += 1
        for level in levels:
            self.agree[level][case.group] += 1
        if "body" not in levels:
            request = step["request"]
            what = "; ".join(content_differences(want, got)[:4])
            self.differing.append(f"{case.group} {case.name} {request['method']} {request['path'][:100]}: {what}")

    def share(self, level: str) -> float:
        """Return the share of requests that agree at a level, 0 to 1."""
        return self.agree[level].total() / max(self.requests.total(), 1)

    def below(self) -> list[str]:
        """Return a sentence per floor that is undercut."""
        return [
            f"{level}: {self.share(level):.1%} of {self.requests.total()} requests agree, the floor is {floor:.0%}"
            for level, floor in FLOORS.items()
            if self.share(level) < floor
        ]

    def table(self) -> str:
        """Return it as Markdown."""
        lines = [f"| requests | | {' | '.join(LEVELS)} |", "|---|--:|" + "--:|" * len(LEVELS)]
        for group, count in sorted(self.requests.items()):
            lines.append(f"| {group} | {count} | {' | '.join(str(self.agree[level][group]) for level in LEVELS)} |")
        shares = " | ".join(f"**{self.share(level):.1%}**" for level in LEVELS)
        return "\n".join([*lines, f"| **all** | {self.requests.total()} | {shares} |"])


def compared(files: Iterable[CaseFile], replay: Replay) -> Report:
    """Send all cases to a server and compare its answers with those that are recorded."""
    report = Report()
    for case in (case for file in files for case in file.cases()):
        for step, got in zip(case.steps, replay.answers(case), strict=True):
            if step in case.compared():
                report.add(case, step, got)
    return report


def recorded(files: Iterable[CaseFile], replay: Replay, server: str) -> Report:
    """Write a server's answers into the files; return how far they agree with those that were there."""
    report = Report()
    for file in files:
        for case in file.cases():
            for step, got in zip(case.steps, replay.answers(case), strict=True):
                if step in case.compared():
                    if "response" in step:
                        report.add(case, step, got)
                    step["response"] = got
        file.save(server)
    return report


def write_page(page: Path, text: str) -> None:
    """Put the table between its markers. Raises ValueError if they are gone."""
    before = page.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    after, count = pattern.subn(lambda _: f"{BEGIN}\n{text}\n{END}", before)
    if count != 1:
        raise ValueError(f"{page.name} has no place for the table: {BEGIN}")
    if after != before:
        page.write_text(after)
