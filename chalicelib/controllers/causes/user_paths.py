"""Paths of a pod as the person who submitted the program knows them: theirs, never where we have put a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.types import JSON

FILE_OPTIONS = ("--py-files", "--files", "--jars", "--archives")
OPTIONS_WITH_VALUE = (*FILE_OPTIONS, "--properties-file", "--conf", "--class", "--name", "--proxy-user")
WORK_DIR = "/opt/spark/work-dir"  # of Spark's images
# Python itself, what is installed beside it, and Spark: no line of these is the program's.
_LIBRARY = re.compile(r"/(?:site|dist)-packages/|/lib/python\d|/pyspark(?:\.zip)?/|/py4j-[^/]*/|^<|/python\d+\.zip/")
_SHIPPED = re.compile(r"^.*/(?:userFiles-[^/]*|spark-[0-9a-f-]{36})/")  # where Spark puts files that it ships
_PATH = re.compile(r"(?<![\w:/])(?:file:(?://)?)?/[^\s'\"`,;()\[\]{}<>]+")


class UserPaths:
    """Names files of one pod's program."""

    def __init__(self, pod: JSON) -> None:
        self._uid = str(metadata_of(pod).get("uid", ""))
        containers = spec_of(pod).get("containers") or [{}]
        self.named = _named(containers[0].get("args") or [])
        folders = {str(PurePosixPath(each).parent) for each in self.named if each.startswith("/")}
        work = containers[0].get("workingDir") or WORK_DIR
        self._folders = sorted({f"{each}/" for each in (*folders, work)}, key=len, reverse=True)

    @property
    def program(self) -> str:
        """Return the name of the program's file, "" if the pod does not say it."""
        return PurePosixPath(self.named[0]).name if self.named else ""

    def is_users(self, path: str) -> bool:
        """Return whether a frame's file is the program's own, and not a library's."""
        return not _LIBRARY.search(path)

    def shown(self, path: str) -> str:
        """Return a path as the user named it."""
        bare = re.sub(r"^file:(?://)?", "", path)
        if self._uid and f"/{self._uid}/" in bare:
            return PurePosixPath(bare).name
        folder = next((each for each in self._folders if bare.startswith(each)), "")
        return _SHIPPED.sub("", bare.removeprefix(folder)) or path

    def in_text(self, text: str) -> str:
        """Return a text with its paths as the user named them."""
        return _PATH.sub(lambda found: self.shown(found[0]), text)


def _named(args: Sequence[str]) -> list[str]:
    """Return the files that a driver's arguments name: the program first."""
    program, listed = "", list[str]()
    index = 1 if args and args[0] == "driver" else len(args)
    while index < len(args) and not program:
        if args[index] in OPTIONS_WITH_VALUE:
            if args[index] in FILE_OPTIONS and index + 1 < len(args):
                listed += args[index + 1].split(",")
            index += 2
        elif args[index].startswith("-"):
            index += 1
        else:
            program = args[index]
    return [re.sub(r"^(?:file|local):(?://)?", "", each) for each in (program, *listed) if each]
