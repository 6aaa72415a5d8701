"""What one field of a JobSpec is elsewhere: an option, a key of a job file, properties of Spark, a line of the docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_origin, get_type_hints

BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}  # of YAML 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOption:
    """One thing that can be said of a job, by all its names. Texts are in the words of --help and of the docs."""

    name: str  # of the field
    kind: Any  # str, int, bool, tuple (of texts) or Mapping (of texts to texts)
    default: Any  # of that kind
    doc: str
    flag: str | None = ""  # "": the name with dashes; None: it has no option of its own
    aliases: tuple[str, ...] = ()  # further flags: spark-submit's
    key: str = ""  # in a job file; "": the name with dashes
    metavar: str = ""
    splits: bool = True  # one text of a tuple may hold several, separated by commas
    conf: str = ""  # the property that means the same
    makes: Mapping[str, str] | None = None  # property -> text of {value}, {key} and {spec}; None: `conf`, as it is
    attribute: str = ""  # of a JobSpec: the value that properties are made of; "": the field
    pod: str = ""  # what it is of the driver's pod or of what makes it
    choices: tuple[str, ...] = ()
    at_least: int | None = None
    at_most: int | None = None
    is_size: bool = False  # of memory, in Spark's words

    def parse(self, text: str) -> Any:  # Any: of the field's kind
        """Return the value of a field that is no mapping, as a text means it. Raises ValueError, "is ..., not ..."."""
        if self.kind is int:
            digits = text[1:] if text[:1] in ("+", "-") else text
            if not (digits.isascii() and digits.isdecimal()):
                raise ValueError(f"is a whole number, not {text!r}")
            return int(text)
        if self.kind is bool:
            if text.lower() not in BOOLEANS:
                raise ValueError(f"is true or false, not {text!r}")
            return BOOLEANS[text.lower()]
        if self.kind is tuple:
            return tuple(each.strip() for each in text.split(",") if each.strip()) if self.splits else (text,)
        return text

    def typed(self, value: Any) -> str:  # Any: of the field's kind
        """Return a value of a field that is no mapping as the text that parse() would make it of."""
        return ",".join(value) if self.kind is tuple else str(value)

    def properties(self, spec: Any) -> dict[str, str]:  # Any: a JobSpec
        """Return the properties of Spark that say the same, none where nothing is set."""
        value = getattr(spec, self.attribute)
        made = self.makes if self.makes is not None else {self.conf: "{value}"} if self.conf else {}
        entries = value.items() if self.kind is Mapping else [("", value)] if value else []
        return {
            name.format(key=key): text.format(value=self.typed(one), spec=spec)
            for key, one in entries
            for name, text in made.items()
        }


def job_field(doc: str, default: Any = MISSING, **more: Any) -> Any:  # Any: dataclasses.field's; of a JobOption
    """Return a field of a JobSpec; `more` are the fields of its JobOption that differ from what they usually are."""
    metadata = {"doc": doc, **more}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def options_of(kind: type) -> dict[str, JobOption]:
    """Return what the fields of a class made with job_field() are elsewhere, by their names and in their order."""
    types, found = get_type_hints(kind), {}
    for each in (each for each in fields(kind) if each.metadata):  # the others are our own
        dashed = each.name.replace("_", "-")
        usual = {"flag": f"--{dashed}", "key": dashed, "attribute": each.name}
        default = {} if each.default is MISSING else each.default
        about = {**usual, **each.metadata, "kind": get_origin(types[each.name]) or types[each.name]}
        found[each.name] = JobOption(name=each.name, default="" if each.name == "application" else default, **about)
    return found
