"""YAML 1.1 as a Kubernetes API server reads it."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.decoding.decode import Kind, decode_object
from chalicelib.apimachinery.decoding.parsing import DecodeError, Pairs, parse_yaml, plain
from chalicelib.apimachinery.patching.patch import decode_apply
from chalicelib.apimachinery.rules.status import StatusError

POD = Kind("", "v1", "Pod")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=16,
)


def value(text: str) -> object:
    return parse_yaml(text.encode())


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("y", True), ("on", True), ("No", False), ("~", None), ("", None), ("null", None), ("nULL", "nULL"),
        ("1", 1), ("-1", -1), ("+1", 1), ("1_000", 1000), ("0x1F", 31), ("0b11", 3), ("017", 15), ("0o17", 15),
        ("08", 8), ("1.5", 1.5), (".5", 0.5), ("2.0", 2), ("1e3", 1000), ("1.", 1), ("12:30:45", "12:30:45"),
        ("2001-01-01", "2001-01-01"), ("18446744073709551615", 2**64 - 1), ("1.2.3", "1.2.3"), ("-x", "-x"),
        ("0x", "0x"),
        ("'1'", "1"), ('"y"', "y"), ("!!str 1", "1"), ("!!int '1'", 1), ("!!binary aGk=", "hi"), ("!foo x", "x"),
        ("=", "="), ("500m", "500m"), ("1Gi", "1Gi"),
    ],
)  # fmt: skip
def test_plain_words_mean_what_yaml_1_1_says(word: str, meaning: object) -> None:
    found = value(f"a: {word}\n")

    assert found == {"a": meaning}
    assert type(found["a"]) is type(meaning)


def test_keys_become_text() -> None:
    assert value("1: a\ntrue: b\n1.5: c\n") == {"1": "a", "true": "b", "1.5": "c"}


def test_only_the_first_document_counts() -> None:
    assert value("a: 1\n---\nb: [\n") == {"a": 1}


def test_empty_body_is_null() -> None:
    assert value("") is None
    assert value("# nothing\n") is None


def test_aliases_and_merges() -> None:
    text = "x: &x {a: 1, b: 2}\nv: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}\nw: [*x]\n"

    assert value(text) == {
        "x": {"a": 1, "b": 2},
        "v": {"a": 1, "b": 3},
        "z": {"a": 1, "b": 2, "c": 4},
        "w": [{"a": 1, "b": 2}],
    }


def test_laughs_do_not_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    with pytest.raises(DecodeError, match="document contains excessive aliasing"):
        value("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", "yaml: line 2: did not find expected node content"),
        ("{", "yaml: line 2: did not find expected node content"),
        ("a: b: c", "yaml: line 1: mapping values are not allowed in this context"),
        ("a:\n\tb: 1", "yaml: line 2: found character that cannot start any token"),
        ("a: 1\n  b: 2", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: *b", "yaml: line 1: found undefined alias"),
        ("a: .nan", "json: unsupported value: .nan"),
        ("[" * 300, "yaml: exceeded max depth"),
        ("? [a]\n: b", "yaml: a key must be a string, a number or a boolean"),
        ("a: !!int x", "yaml: cannot decode x as int"),
    ],
)
def test_broken_documents_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(DecodeError) as caught:
        value(text)

    assert str(caught.value) == complaint


def test_repeated_keys_are_kept_as_pairs() -> None:
    found = value("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")

    assert found == Pairs([("a", 1), ("b", Pairs([("c", 1), ("c", 2)])), ("a", 3)])


def test_a_merged_key_is_no_repetition() -> None:
    assert value("x: &x {a: 1}\nz: {a: 2, <<: *x}\n") == {"x": {"a": 1}, "z": {"a": 2}}


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    with pytest.raises(DecodeError, match="recursive"):
        value("a: &a [*a]")


@given(JSON_VALUES)
def test_json_is_yaml(document: object) -> None:
    text = yaml.safe_dump(document, allow_unicode=True, default_style='"')

    assert parse_yaml(text.encode()) == json.loads(json.dumps(document))


@given(st.one_of(st.binary(), st.text(alphabet="ab:-[]{}&*!<>|,?\n 1'\"#%@").map(str.encode)))
def test_bytes_give_a_value_or_a_complaint(body: bytes) -> None:
    try:
        found = parse_yaml(body)
    except DecodeError as error:
        assert str(error)  # noqa: PT017
    else:
        json.dumps(plain(found)).encode()


def test_repeated_keys_of_configurations_are_warned_of_or_refused() -> None:
    body = b"a: 1\na: 2\nb: 1\nb: 2\n"

    assert decode_apply(body) == ({"a": 2, "b": 2}, ['duplicate field "a"', 'duplicate field "b"'])
    with pytest.raises(
        StatusError, match='error strict decoding YAML: error converting YAML to JSON: duplicate field "a"'
    ):
        decode_apply(body, is_strict=True)


def test_yaml_body_becomes_an_object() -> None:
    body = b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: i\n"

    assert decode_object(body, "application/yaml", POD).value["spec"] == {"containers": [{"name": "c", "image": "i"}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: y\n",
            'Pod in version "v1" cannot be handled as a Pod:'
            " json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string",
        ),
        (
            b"a: [",
            "the object provided is unrecognized (must be of type Pod):"
            " yaml: line 2: did not find expected node content (613a205b)",
        ),
    ],
)
def test_bad_yaml_bodies_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode_object(body, "application/yaml", POD)

    assert (caught.value.code, caught.value.message) == (400, message)


def test_repeated_yaml_keys_become_warnings() -> None:
    found = decode_object(b"metadata: {name: a}\nmetadata: {name: b}\nx: 1\n", "application/yaml", POD)

    assert found.warnings == ['duplicate field "metadata"', 'unknown field "x"']


def test_repeated_yaml_keys_are_refused_when_strict() -> None:
    with pytest.raises(StatusError) as caught:
        decode_object(b"metadata: {name: a}\nmetadata: {name: b}\n", "application/yaml", POD, validation="Strict")

    assert caught.value.message.endswith('strict decoding error: duplicate field "metadata"')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "error decoding YAML: error converting YAML to JSON: yaml: line 2: did not find expected node content"),
        (
            b"[]",
            "error decoding YAML: error unmarshaling JSON: while decoding JSON:"
            " json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
    ],
)
def test_broken_configurations_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode_apply(body)

    assert (caught.value.code, caught.value.message) == (400, message)
