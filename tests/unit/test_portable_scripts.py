"""The Makefile and the shell in our code keep to what macOS has: GNU make 3.81, bash 3.2 as sh, BSD's tools.

`.ci/run` is for Debian alone; what runs in containers or on Fargate is for Linux.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.providers.supervised.spark import DECOMMISSION_COMMAND
from sparkanywhere.jobs.job_files import SCRIPT
from sparkanywhere.spark.java_wrapper import WRAPPER

MAKEFILE = (Path(__file__).resolve().parents[2] / "Makefile").read_text(encoding="utf-8")
SHELL = {"Makefile": MAKEFILE, "java": WRAPPER, "decommission": DECOMMISSION_COMMAND[-1], "staged files": SCRIPT}

# What GNU make has had only since 3.82, with a line that uses it: NEWS of GNU make.
NEWER_MAKE = {
    r"^\.(ONESHELL|SHELLFLAGS|EXTRA_PREREQS|NOTINTERMEDIATE|WAIT)\b": ".ONESHELL:",
    r"\$[({](file|guile|let|intcmp) ": "$(file > x,text)",
    r"^\s*(undefine|private|load) ": "undefine NAME",
    r"^define \S+ *[:?+]?=": "define NAME =",
    r"::=|:::=": "NAME ::= text",
    r"^\s*[\w.]+ *!=": "NAME != date",
    r"&:": "one two &: three",
    r"--output-sync|--shuffle|--jobserver-style|--trace|--eval=": "$(MAKE) --output-sync",
}
# What bash 3.2 does not have, or not as sh.
NEWER_SHELL = {
    r"\b(mapfile|readarray|coproc)\b": "mapfile lines",
    r"\$\$?\{\w+(,|\^|@)": "${name,,}",
    r"\b(declare|local|typeset) -[a-zA-Z]*[Ang]": "declare -A names",
    r"&>>|\|&": "command |& cat",
    r"\[\[": "[[ -n $name ]]",
    r"[<>]\(": "diff <(one) two",
    r"\[ [^]]* == ": '[ "$name" == x ]',
    r"(^|[;&|] *)source ": "source file",
    r"\becho -[ne]": "echo -n text",
    r"<<<": "cat <<< text",
    r"\$\$?'": "printf $'a'",
}
COMMAND = r"(?:^|[;&|(] *)"  # before a command's name
# What only GNU's tools know.
GNU_TOOLS = {
    r"\bsed\b.* (-i|-[a-zA-Z]*r\b|-z|--\w)": "sed -i s/a/b/ file",
    r"\breadlink -[fem]": "readlink -f .",
    r"\bdate (-d|--|-I|\+\S*%[sN])": "date -d yesterday",
    r"\btouch (-d|--)": "touch -d yesterday file",
    r"\bgrep\b.* -[a-zA-Z]*P": "grep -oP x file",
    r"\bstat (-c|--)": "stat -c %s file",
    r"\bxargs\b.* (-r|-d|--)": "xargs -r rm",
    r"\bfind\b.* (-printf|-readable|-executable)": "find . -printf %p",
    r"\bbase64\b.* -w": "base64 -w0",
    rf"{COMMAND}(cp|mv|ln|mkdir|rm|ls|head|tail|sort|wc|install|mktemp)\b [^|;]*--\w": "cp --parents a b",
    r"\bcp\b [^|;]*-[a-zA-Z]*[tuT]\b": "cp -t folder file",
    rf"{COMMAND}(nproc|tac|realpath|timeout|setsid|sha256sum|md5sum|gawk|shuf|truncate|numfmt)\b": "nproc",
    r"\bhead -n -": "head -n -1",
    r"\bsort\b.* -[a-zA-Z]*V": "sort -V",
}
RULES = {**NEWER_MAKE, **NEWER_SHELL, **GNU_TOOLS}


def breaches(rule: str, text: str) -> list[str]:
    """Return the lines that do what a rule forbids, without comments."""
    lines = [re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines()]
    return [line for line in lines if re.search(rule, line.lstrip("\t@"))]


@pytest.mark.parametrize(("rule", "sample"), RULES.items())
def test_a_breach_is_seen(rule: str, sample: str) -> None:
    assert breaches(rule, f"good\n\t@{sample}\n# {sample}") == [f"\t@{sample}"]


@pytest.mark.parametrize("rule", NEWER_MAKE)
def test_the_makefile_is_one_for_make_3_81(rule: str) -> None:
    assert breaches(rule, MAKEFILE) == []


@pytest.mark.parametrize("rule", [*NEWER_SHELL, *GNU_TOOLS])
@pytest.mark.parametrize("name", SHELL)
def test_the_shell_of_hosts_is_one_for_bash_3_2_and_bsd_tools(name: str, rule: str) -> None:
    assert breaches(rule, SHELL[name]) == []
