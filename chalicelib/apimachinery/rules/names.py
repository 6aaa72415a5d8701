"""What names, label keys and label values may look like.

Every function returns a list of complaints, empty when the text will do, worded as
k8s.io/apimachinery/pkg/util/validation, v1.36.
"""

from __future__ import annotations

import re

from chalicelib.apimachinery.decoding.gotext import byte_length

MAX_SUBDOMAIN = 253  # bytes: a DNS name without its length octet (RFC 1035)
# Bytes of a name in a path: the key that it becomes part of has room for 1,024 in DynamoDB.
MAX_SEGMENT = 512
MAX_LABEL = 63  # bytes: one part of a DNS name (RFC 1035)

_LABEL_FORMAT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FORMAT = _LABEL_FORMAT + r"(\." + _LABEL_FORMAT + ")*"
_DNS1035_FORMAT = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED_FORMAT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE_FORMAT = f"({_QUALIFIED_FORMAT})?"
_CONFIG_KEY_FORMAT = "[-._a-zA-Z0-9]+"
_ENV_NAME_FORMAT = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_RELAXED_ENV_NAME = re.compile(r"[ -<>-~]+")  # printable ASCII but "="
_PORT_NAME_CHARS = re.compile("[-a-z0-9]+")
_LETTER = re.compile("[a-z]")

_LABEL = re.compile(_LABEL_FORMAT)
_SUBDOMAIN = re.compile(_SUBDOMAIN_FORMAT)
_DNS1035 = re.compile(_DNS1035_FORMAT)
_QUALIFIED = re.compile(_QUALIFIED_FORMAT)
_LABEL_VALUE = re.compile(_LABEL_VALUE_FORMAT)
_CONFIG_KEY = re.compile(_CONFIG_KEY_FORMAT)

_QUALIFIED_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)


def _format_error(words: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{words} (e.g. {shown}regex used for validation is '{pattern}')"


SUBDOMAIN_ERROR = _format_error(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.',"
    " and must start and end with an alphanumeric character",
    _SUBDOMAIN_FORMAT,
    "example.com",
)
LABEL_ERROR = _format_error(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
    " and must start and end with an alphanumeric character",
    _LABEL_FORMAT,
    "my-name",
    "123-abc",
)
DNS1035_ERROR = _format_error(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-',"
    " start with an alphabetic character, and end with an alphanumeric character",
    _DNS1035_FORMAT,
    "my-name",
    "abc-123",
)
QUALIFIED_ERROR = _format_error(_QUALIFIED_WORDS, _QUALIFIED_FORMAT, "MyName", "my.name", "123-abc")
LABEL_VALUE_ERROR = _format_error(
    f"a valid label must be an empty string or {_QUALIFIED_WORDS.removeprefix('must ')}",
    _LABEL_VALUE_FORMAT,
    "MyValue",
    "my_value",
    "12345",
)
CONFIG_KEY_ERROR = _format_error(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY_FORMAT,
    "key.name",
    "KEY_NAME",
    "key-name",
)


def too_long(limit: int) -> str:
    """Return the complaint about more than `limit` bytes."""
    return f"must be no more than {limit} characters"


def _check(text: str, *, pattern: re.Pattern[str], complaint: str, limit: int) -> list[str]:
    errors = [too_long(limit)] if byte_length(text) > limit else []
    if not pattern.fullmatch(text):
        errors.append(complaint)
    return errors


def _masked(name: str, is_prefix: bool) -> str:
    """Let a generateName end in a dash: the suffix to come makes it a good name (and is one byte of many)."""
    return name[:-2] + "a" if is_prefix and len(name) > 1 and name.endswith("-") else name


def dns_subdomain_errors(name: str, *, is_prefix: bool = False) -> list[str]:
    """Return why `name` is not an RFC 1123 subdomain; a prefix (generateName) may end in a dash."""
    text = _masked(name, is_prefix)
    return _check(text, pattern=_SUBDOMAIN, complaint=SUBDOMAIN_ERROR, limit=MAX_SUBDOMAIN)


def dns_label_errors(name: str, *, is_prefix: bool = False) -> list[str]:
    """Return why `name` is not an RFC 1123 label."""
    return _check(_masked(name, is_prefix), pattern=_LABEL, complaint=LABEL_ERROR, limit=MAX_LABEL)


def dns1035_label_errors(name: str, *, is_prefix: bool = False) -> list[str]:
    """Return why `name` is not an RFC 1035 label (which starts with a letter)."""
    return _check(_masked(name, is_prefix), pattern=_DNS1035, complaint=DNS1035_ERROR, limit=MAX_LABEL)


def path_segment_errors(name: str, *, is_prefix: bool = False) -> list[str]:
    """Return why `name` is not a segment of a URL path: the rule for names of Roles and their bindings.

    NUL and names beyond what a store's key can hold are refused as well, where a real server would ask etcd.
    """
    if not is_prefix and name in (".", ".."):
        return [f"may not be '{name}'"]
    if len(name.encode(errors="replace")) > MAX_SEGMENT:
        return [f"must be no more than {MAX_SEGMENT} bytes"]
    return [f"may not contain '{shown}'" for shown, part in (("/", "/"), ("%", "%"), ("NUL", "\0")) if part in name]


def qualified_name_errors(name: str) -> list[str]:
    """Return why `name` is not a qualified name (`key` or `example.com/key`): label keys, finalizers."""
    head, slash, tail = name.partition("/")
    if "/" in tail:
        return [
            f"a qualified name {QUALIFIED_ERROR} with an optional DNS subdomain prefix and '/'"
            " (e.g. 'example.com/MyName')"
        ]
    errors: list[str] = []
    if slash:
        found = dns_subdomain_errors(head) if head else ["must be non-empty"]
        errors += [f"prefix part {error}" for error in found]
    key = tail if slash else head
    if not key:
        errors.append("name part must be non-empty")
    elif byte_length(key) > MAX_LABEL:
        errors.append(f"name part {too_long(MAX_LABEL)}")
    if not _QUALIFIED.fullmatch(key):
        errors.append(f"name part {QUALIFIED_ERROR}")
    return errors


def label_value_errors(value: str) -> list[str]:
    """Return why `value` is not a label value."""
    return _check(value, pattern=_LABEL_VALUE, complaint=LABEL_VALUE_ERROR, limit=MAX_LABEL)


def config_key_errors(key: str) -> list[str]:
    """Return why `key` is not a valid key of a ConfigMap's or Secret's data."""
    errors = _check(key, pattern=_CONFIG_KEY, complaint=CONFIG_KEY_ERROR, limit=MAX_SUBDOMAIN)
    if key in (".", ".."):
        errors.append(f"must not be '{key}'")
    elif key.startswith(".."):
        errors.append("must not start with '..'")
    return errors


def env_name_errors(name: str) -> list[str]:
    """Return why `name` is not a valid name of an environment variable (relaxed rule: printable ASCII without `=`)."""
    if not name:
        return ["environment variable name must be non-empty"]
    if not _RELAXED_ENV_NAME.fullmatch(name):
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    return []


def port_name_errors(name: str) -> list[str]:
    """Return why `name` is not a valid name of a container's port (IANA service name)."""
    errors = []
    if byte_length(name) > 15:  # bytes: RFC 6335, section 5.1
        errors.append("must be no more than 15 characters")
    if not _PORT_NAME_CHARS.fullmatch(name):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _LETTER.search(name):
        errors.append("must contain at least one letter (a-z)")
    if "--" in name:
        errors.append("must not contain consecutive hyphens")
    if name and (name[0] == "-" or name[-1] == "-"):
        errors.append("must not begin or end with a hyphen")
    return errors
