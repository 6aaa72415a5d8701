"""A Python that we start imports nothing from the folder that a person works in."""

from __future__ import annotations

import re

from sparkanywhere.project import PROJECT

STARTED = re.compile(r'\[(?:sys\.executable|python), *("[^"]+")')
SAFE = ('"-P"', '"-I"')  # Python 3.11, "Command line and environment"
IN_OUR_FOLDER = {"local_server.py": ['"-m"']}  # which runs it with cwd=PROJECT, for a checkout that is not installed


def test_every_python_is_started_without_the_current_folder() -> None:
    unsafe = {
        path.name: found
        for package in ("chalicelib", "sparkanywhere")
        for path in (PROJECT / package).rglob("*.py")
        if (found := [option for option in STARTED.findall(path.read_text("utf-8")) if option not in SAFE])
    }

    assert unsafe == IN_OUR_FOLDER
