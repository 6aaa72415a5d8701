"""Names, label keys and label values, with the texts of a real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.apimachinery.rules import names


@pytest.mark.parametrize("name", ["a", "a.b", "0", "a-b.c", "x" * 253])
def test_good_subdomains_pass(name: str) -> None:
    assert names.dns_subdomain_errors(name) == []


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a..b", "a/b", "a_b", "a\n", "é"])
def test_bad_subdomains_are_told_the_pattern(name: str) -> None:
    assert names.dns_subdomain_errors(name) == [names.SUBDOMAIN_ERROR]


def test_long_subdomain_is_told_the_limit_alone() -> None:
    assert names.dns_subdomain_errors("a" * 254) == ["must be no more than 253 characters"]


def test_length_is_counted_in_bytes() -> None:
    assert names.dns_label_errors("é" * 32) == ["must be no more than 63 characters", names.LABEL_ERROR]


def test_prefix_may_end_in_a_dash() -> None:
    assert names.dns_subdomain_errors("spark-", is_prefix=True) == []
    assert names.dns_subdomain_errors("spark-") == [names.SUBDOMAIN_ERROR]


def test_label_text_is_the_servers() -> None:
    assert names.dns_label_errors("C_") == [
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
        " and must start and end with an alphanumeric character (e.g."
        " 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    ]


def test_1035_label_starts_with_a_letter() -> None:
    assert names.dns1035_label_errors("a1") == []
    assert names.dns1035_label_errors("1a") == [names.DNS1035_ERROR]


@pytest.mark.parametrize(
    ("name", "errors"),
    [
        ("app", []),
        ("example.com/app_1.x", []),
        ("", ["name part must be non-empty", f"name part {names.QUALIFIED_ERROR}"]),
        ("/a", ["prefix part must be non-empty"]),
        ("Bad/a", [f"prefix part {names.SUBDOMAIN_ERROR}"]),
        ("a" * 64, ["name part must be no more than 63 characters"]),
        ("-a", [f"name part {names.QUALIFIED_ERROR}"]),
    ],
)
def test_qualified_names(name: str, errors: list[str]) -> None:
    assert names.qualified_name_errors(name) == errors


def test_two_slashes_are_no_qualified_name() -> None:
    [error] = names.qualified_name_errors("a/b/c")

    assert error.startswith("a qualified name must consist of alphanumeric characters")
    assert error.endswith(" with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.label_value_errors, "", "a b"),
        (names.label_value_errors, "v1.2_x", "-"),
        (names.config_key_errors, "spark.properties", "a/b"),
        (names.config_key_errors, ".dockerconfigjson", ".."),
        (names.env_name_errors, "a.b c", "a=b"),
        (names.port_name_errors, "web-ui", "123"),
        (names.port_name_errors, "a" * 15, "a" * 16),
        (names.path_segment_errors, "system:node", "a/b"),
        (names.path_segment_errors, "A_b", ".."),
    ],
)
def test_other_rules(check: Callable[[str], list[str]], good: str, bad: str) -> None:
    assert check(good) == []
    assert len(check(bad)) == 1
