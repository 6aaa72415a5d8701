"""A job as a YAML file: the fields of a JobSpec by their keys, words joined by dashes or underscores.

Where a text is expected it is the one that was typed: 12:30:45, 3.10, 010, yes and ~ are texts as they stand.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sparkanywhere.jobs.job_fields import JOB_OPTIONS
from sparkanywhere.jobs.job_option import JobOption
from sparkanywhere.jobs.job_variables import fill
from sparkanywhere.jobs.spec import JobSpec, SpecError, as_fields

MERGE = "tag:yaml.org,2002:merge"
KEYS = {option.key: option for option in JOB_OPTIONS.values()}


def read_document(path: Path, what: str) -> str:
    """Return a YAML file from its one document on that is not empty; `what` names it in a SpecError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        nodes = yaml.compose_all(text, Loader=yaml.SafeLoader)
        starts = [each.start_mark.index for each in nodes if each is not None and each.value not in ("", [])]
    except FileNotFoundError:
        raise SpecError(f"{what} is not there.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{what} cannot be read: {' '.join(str(error).split())}") from error
    if len(starts) > 1:
        raise SpecError(f"{what} holds {len(starts)} documents: leave one of them.")
    return text[starts[0] :] if starts else ""


def read(path: Path, variables: Mapping[str, str] | None = None) -> Any:  # Any: mappings, lists and texts
    """Return what a job file holds, every scalar as its text, its variables replaced. Raises SpecError."""
    try:
        found = _TextLoader(read_document(path, str(path))).get_data()
    except yaml.YAMLError as error:
        raise SpecError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    return fill(found, variables or {}, what=str(path))


class _TextLoader(yaml.SafeLoader):
    """Takes plain words for what they are, texts; only << has a meaning."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # Any: PyYAML's types
        names = [key.value for key, _ in node.value if key.tag != MERGE]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


_TextLoader.yaml_implicit_resolvers = {"<": [(MERGE, re.compile(r"<<\Z"))]}
_TextLoader.add_constructor(MERGE, lambda _, node: node.value)  # as a value, not as a key


def from_document(document: Any, usual: Mapping[str, Any] | None = None, **given: Any) -> JobSpec:
    """Return the job that a file describes, a parsed one. Raises SpecError, also for an unknown key.

    `given` fields win over it, and it over `usual` ones.
    """
    if not isinstance(document, dict):
        raise SpecError("A job file is a mapping of keys: application, executors, ...")
    values: dict[str, Any] = {}
    for key, value in document.items():
        option = KEYS.get(str(key).replace("_", "-"))
        if option is None:
            near = difflib.get_close_matches(str(key).replace("_", "-"), KEYS, n=1)
            hint = f": did you mean {near[0]}?" if near else "."
            raise SpecError(f"Unknown key {str(key)!r} in the job file{hint}")
        values[option.name] = _checked(str(key), option, value)
    by_conf, conf = as_fields(values.get("conf", {}), values, where="The job file: conf", wins=True)
    values = {**values, **by_conf, "conf": conf}
    merged = values | {
        name: {**values.get(name, {}), **value} if isinstance(value, Mapping) else value
        for name, value in given.items()
    }
    if not merged.get("application"):
        raise SpecError("The job file names no application: a .py or a .jar file.")
    return JobSpec(**{**(usual or {}), **merged})


def _checked(key: str, option: JobOption, value: Any) -> Any:  # Any: of the file, and of the field
    if option.kind is tuple:
        if not isinstance(value, list) or any(isinstance(each, dict | list) for each in value):
            raise SpecError(f"{key} in the job file is a list of texts.")
        return tuple(_text(each) for each in value)
    if option.kind is Mapping:
        if not isinstance(value, dict) or any(isinstance(each, dict | list) for each in value.values()):
            raise SpecError(f"{key} in the job file is a mapping of names to texts.")
        return {str(each): _text(text) for each, text in value.items()}
    if isinstance(value, dict | list):
        raise SpecError(f"{key} in the job file is a text, a number or true or false.")
    try:
        return option.parse(_text(value))
    except ValueError as error:
        raise SpecError(f"{key} in the job file {error}.") from None


def _text(value: Any) -> str:  # Any: a scalar of a document that was not read from a file may be a number
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
