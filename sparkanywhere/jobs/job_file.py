"""A job as a YAML file: the fields of a JobSpec, words joined by dashes or underscores, `class` for main_class."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sparkanywhere.jobs.spec import FIELD_TYPES, ConfError, JobSpec, SpecError, as_fields


def read(path: Path) -> Any:  # Any: parsed YAML
    """Return what a job file holds. Raises SpecError."""
    try:
        return yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise SpecError(f"{path} is not there.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{path} cannot be read: {' '.join(str(error).split())}") from error


def from_document(document: Any, **given: Any) -> JobSpec:  # Any: a parsed YAML file; fields of a JobSpec
    """Return the job that a file describes; `given` fields win. Raises SpecError, also for an unknown key."""
    if not isinstance(document, dict):
        raise SpecError("A job file is a mapping of keys: application, executors, ...")
    values: dict[str, Any] = {}
    for key, value in document.items():
        name = "main_class" if key == "class" else str(key).replace("-", "_")
        if name not in FIELD_TYPES:
            words = {name.replace("_", "-") for name in FIELD_TYPES} - {"main-class"} | {"class"}
            near = difflib.get_close_matches(name.replace("_", "-"), sorted(words), n=1)
            hint = f": did you mean {near[0]}?" if near else "."
            raise SpecError(f"Unknown key {str(key)!r} in the job file{hint}")
        values[name] = _checked(str(key), name, value)
    try:
        by_conf, conf = as_fields(values.get("conf", {}), values, where="The job file: conf", wins=True)
    except ConfError as error:
        raise SpecError(str(error)) from error
    more = given.pop("conf", {})
    merged = {**values, **by_conf, **given, "conf": {**conf, **more}}
    if not merged.get("application"):
        raise SpecError("The job file names no application: a .py or a .jar file.")
    return JobSpec(**merged)


def _checked(key: str, name: str, value: Any) -> Any:  # Any: of the file, and of the field
    wanted = FIELD_TYPES[name]
    if wanted is tuple:
        if not isinstance(value, list) or any(isinstance(each, dict | list) for each in value):
            raise SpecError(f"{key} in the job file is a list of texts.")
        return tuple(_text(each) for each in value)
    if wanted is Mapping:
        if not isinstance(value, dict) or any(isinstance(each, dict | list) for each in value.values()):
            raise SpecError(f"{key} in the job file is a mapping of names to texts.")
        return {str(each): _text(text) for each, text in value.items()}
    if wanted is int and type(value) is not int:
        raise SpecError(f"{key} in the job file is a whole number, not {value!r}.")
    if wanted is bool and not isinstance(value, bool):
        raise SpecError(f"{key} in the job file is true or false, not {value!r}.")
    if wanted in (int, bool):
        return value
    if value is None or isinstance(value, dict | list):
        raise SpecError(f"{key} in the job file is a text.")
    return _text(value)


def _text(value: Any) -> str:  # Any: a YAML scalar
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
