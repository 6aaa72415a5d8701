"""The JSON schema of a job file, made of the fields of a JobSpec: editors complete and check job.yaml by it.

Reference: JSON Schema, draft 2020-12. A variable may stand for any value, and every value may be written as a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkanywhere.jobs.job_fields import JOB_OPTIONS
from sparkanywhere.jobs.job_option import BOOLEANS, JobOption

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SCALAR = {"type": ["string", "number", "boolean", "null"]}
WITH_VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"


def job_schema() -> dict[str, Any]:  # Any: JSON
    """Return the schema of a job file; of the spellings of a key it has the one with dashes alone."""
    return {
        "$schema": DRAFT,
        "title": "A job of Sparkanywhere",
        "type": "object",
        "properties": {option.key: {"description": option.doc, **_value(option)} for option in JOB_OPTIONS.values()},
        "required": ["application"],
        "additionalProperties": False,
    }


def _value(option: JobOption) -> dict[str, Any]:  # Any: JSON
    default = {"default": option.default} if option.default or option.kind is int else {}
    if option.kind is tuple:
        return {"type": "array", "items": SCALAR}
    if option.kind is Mapping:
        return {"type": "object", "additionalProperties": SCALAR}
    if option.kind is bool:
        words = (spelling for word in BOOLEANS for spelling in (word, word.capitalize(), word.upper()))
        return _or_text({"type": "boolean"}, f"^({'|'.join(words)})$") | default
    if option.kind is int:
        bounds = {"minimum": option.at_least, "maximum": option.at_most}
        whole = {"type": "integer", **{name: bound for name, bound in bounds.items() if bound is not None}}
        return _or_text(whole, "^[+-]?[0-9]+$") | default
    if option.choices:
        return {"anyOf": [{"enum": list(option.choices)}, {"type": "string", "pattern": WITH_VARIABLE}], **default}
    return {"type": ["string", "number"], **default}


def _or_text(value: dict[str, Any], pattern: str) -> dict[str, Any]:
    return {"anyOf": [value, {"type": "string", "pattern": f"{pattern}|{WITH_VARIABLE}"}]}
