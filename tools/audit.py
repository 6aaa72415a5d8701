"""Look up the locked versions in the database of known vulnerabilities; tell "none known" from "could not ask".

pip-audit calls a package that the database's host does not answer for "skipped", and then finds nothing in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCKS = ("locks/dev.txt", "requirements.txt", "locks/vendor.txt")  # dev.txt has all that run.txt has
ANSWER_SECONDS = 600
FOUND, NOT_ASKED = 1, 2


def judge(report: str, complaint: str) -> tuple[int, list[str]]:
    """Return an exit code and what to say, from pip-audit's report in JSON and its standard error."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(report)["dependencies"]  # Any: pip-audit's JSON
    except (ValueError, KeyError, TypeError):
        last = complaint.strip().splitlines()[-1:] or ["pip-audit said nothing"]
        return NOT_ASKED, [f"Could not ask for known vulnerabilities: {last[0]}"]
    skipped = [each for each in dependencies if "skip_reason" in each]
    found = [(each, vuln) for each in dependencies for vuln in each.get("vulns") or ()]
    lines = [
        f"{each['name']} {each['version']}: {vuln['id']}, mended in {', '.join(vuln['fix_versions']) or 'nothing yet'}"
        for each, vuln in found
    ]
    if skipped:
        lines.append(f"Could not ask about {len(skipped)} of {len(dependencies)}: {skipped[0]['skip_reason']}")
    if not lines:
        lines = [f"No vulnerability is known of the {len(dependencies)} locked packages."]
    return (FOUND if found else NOT_ASKED if skipped else 0), lines


def main() -> int:
    """Ask about each lock file; return the exit code."""
    command = [str(Path(sys.executable).with_name("pip-audit")), "--disable-pip", "--require-hashes", "--format=json"]
    options = [f"--requirement={name}" for name in LOCKS]
    try:
        ran = subprocess.run([*command, *options], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
        code, lines = judge(ran.stdout, ran.stderr)
    except subprocess.TimeoutExpired:
        code, lines = judge("", f"no answer within {ANSWER_SECONDS} s")
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
