"""What a command that does not exist was meant to be: others' words for ours, a slip of the keys, a program."""

from __future__ import annotations

import difflib
from collections.abc import Collection

# What others call it (docker, kubectl, spark-submit, Databricks' and SkyPilot's commands) -> what to type here.
HABITS = {
    "attach": "logs -f",
    "cancel": "kill",
    "config": "contexts",
    "delete": "kill",
    "exec": "run",
    "get": "ps",
    "inspect": "describe",
    "jobs": "ps",
    "launch": "run",
    "list": "ps",
    "log": "logs",
    "ls": "ps",
    "new": "init",
    "rm": "kill",
    "schema": "job-schema",
    "server": "serve",
    "show": "describe",
    "spark-submit": "run",
    "start": "run",
    "status": "ps",
    "stop": "kill",
    "tail": "logs -f",
    "terminate": "kill",
    "validate": "run --dry-run",
    "watch": "ps -w",
}
PROGRAMS = (".py", ".jar", ".yaml", ".yml")


def meant(word: str, known: Collection[str]) -> str:
    """Return the command line that a word was meant as, "" if nothing is near."""
    if word.lower().endswith(PROGRAMS):
        return f"run {word}"
    habit = HABITS.get(word.lower(), "")
    if habit.partition(" ")[0] in known:
        return habit
    return next(iter(difflib.get_close_matches(word.lower(), known, n=1)), "")
