"""A Python that we start imports nothing from the folder that a person works in."""

from __future__ import annotations

import re

from sparkanywhere.project import PROJECT

STARTED = re.compile(r'\[(?:sys\.executable|python), *("[^"]+")')
SAFE = ('"-P"', '"-I"')  # Python 3.11, "Command line and environment"
# Which start it in a checkout that may not be installed: with cwd=PROJECT, and where a stock chalice has loaded app.py.
IN_OUR_FOLDER = {"archive.py": ['"-m"'], "local_server.py": ['"-m"'], "chalice_command.py": ['"-m"']}


def test_every_python_is_started_without_the_current_folder() -> None:
    unsafe = {
        path.name: found
        for package in ("chalicelib", "sparkanywhere")
        for path in (PROJECT / package).rglob("*.py")
        if (found := [option for option in STARTED.findall(path.read_text("utf-8")) if option not in SAFE])
    }

    assert unsafe == IN_OUR_FOLDER
