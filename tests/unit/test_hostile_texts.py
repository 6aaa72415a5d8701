"""Texts from clients and manifests that would take a careless parser for ever, or crash it: each rule, one by one.

Python's regular expressions hold the interpreter's lock: one that backtracks stops every thread of a server.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.apimachinery.decoding.parsing import DecodeError, parse_json, parse_yaml
from chalicelib.apimachinery.rules import cron, names
from chalicelib.apimachinery.rules.integers import is_integer, parse_int64, parse_uint64
from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.apimachinery.rules.selectors import parse_fields, parse_labels
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.structural import json_path
from chalicelib.controllers.podmodel.gone_pods import GonePods, read_gone
from chalicelib.controllers.podmodel.record import version_of
from chalicelib.controllers.podmodel.start_phases import MAX_LINE, SparkStart
from chalicelib.controllers.pods.deletions import keep_seconds
from chalicelib.controllers.translation.api_urls import rewritten_properties, rewritten_word
from chalicelib.controllers.translation.env import expand
from chalicelib.controllers.workloads.jobs import MAX_INDEX, parse_indexes
from chalicelib.providers.supervised.spark import java_options
from chalicelib.resources.pods.marks import USED_BY_GONE, VERSION_ANNOTATION
from chalicelib.resources.workloads.counts import percent_causes
from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.cli.program_output import SLOW_LISTENER_END

LENGTH = 30_000
MOST_SECONDS = 5.0  # what is linear takes a hundredth of that, what is quadratic far more
DIGITS = "9" * 5000  # more than int() takes

UNITS = ("9", "0", "a", "a-", "a.", "a/", "-", ".", ",", "a,", "a=b,", "(", "$(", "$", "\\", " ", "e", "[", "x'", '"')
RULES: dict[str, Callable[[str], object]] = {
    "quantity": parse_quantity,
    "int64": parse_int64,
    "labels": parse_labels,
    "label values": lambda text: parse_labels(f"a in ({text})"),
    "fields": parse_fields,
    "path": json_path.parse,
    "condition": lambda text: json_path.parse(f".a[?(@.{text}"),
    "time": find_time,
    "fraction": lambda text: find_time(f"2026-01-01T00:00:00.{text}"),
    "expansion": lambda text: expand(text, {}),
    "qualified name": names.qualified_name_errors,
    "label": names.label_value_errors,
    "subdomain": names.dns_subdomain_errors,
    "json": lambda text: parse_json(text.encode()),
    "yaml": lambda text: parse_yaml(text.encode()),
    "ttl": lambda text: keep_seconds(text, 1.0),
    "indexes": parse_indexes,
}


@pytest.mark.parametrize("name", RULES)
def test_no_rule_takes_longer_than_its_text(name: str) -> None:
    for unit in UNITS:
        for end in ("", "!", "x"):
            began = time.process_time()

            with contextlib.suppress(ValueError, StatusError, DecodeError):
                RULES[name](unit * (LENGTH // len(unit)) + end)

            assert time.process_time() - began < MOST_SECONDS, (unit, end)


REGISTERED = "INFO Backend: Registered executor Ref(spark-client://Executor) (a:1) with ID 1, R"
FINISHED = "26/11/23 00:40:00 INFO TaskSetManager: Finished task 3.0 in stage 0.0 (TID 3) (4/100)"
LONG = 500_000  # characters, as a ConfigMap, or the line of a job, may have: minutes to hours if read again and again
LONG_TEXTS: dict[str, Callable[[], object]] = {
    "separator": lambda: rewritten_properties(f"spark.master{' ' * LONG}x", "https://here"),
    "word": lambda: rewritten_word("k8s://https:" * (LONG // 12), "https://here"),
    "interval": lambda: cron.parse_schedule(f"@every {'1' * LONG}"),
    "fraction": lambda: cron.parse_schedule(f"@every 1.{'1' * LONG}x"),
    "number": lambda: cron.parse_schedule(f"@every {'1' * LONG}h"),
    "listener": lambda: SLOW_LISTENER_END.search("by listener by" * (LONG // 14)),
}


@pytest.mark.parametrize("name", LONG_TEXTS)
def test_a_long_text_is_read_once(name: str) -> None:
    with contextlib.suppress(ValueError):
        LONG_TEXTS[name]()


@pytest.mark.parametrize("length", [len(REGISTERED), MAX_LINE, MAX_LINE + 1, LONG])
def test_only_a_line_as_spark_writes_them_tells_of_a_start(length: int) -> None:
    start, job = SparkStart(), JobProgress(instances=1, began_at=0.0)

    is_told = start.observe(REGISTERED.ljust(length, "."), 1.0)
    job.observe_line(FINISHED.rjust(length), 1.0)

    assert (is_told, job.logged is not None) == (length <= MAX_LINE,) * 2


@pytest.mark.parametrize("number", [DIGITS[:4000], "9" * 10, ""])
def test_an_executor_without_a_number_of_spark_is_none(number: str) -> None:
    start = SparkStart()

    assert not start.observe(REGISTERED.replace("ID 1", f"ID {number}"), 1.0)
    assert start.registered_at == {}


@pytest.mark.parametrize(
    ("text", "signed", "unsigned"),
    [
        ("0", 0, 0),
        ("-0", 0, None),
        ("+7", 7, None),
        ("0" * 5000 + "7", 7, 7),
        (str(2**63 - 1), 2**63 - 1, 2**63 - 1),
        (str(2**63), None, 2**63),
        (str(-(2**63)), -(2**63), None),
        (str(2**64), None, None),
        *((text, None, None) for text in (DIGITS, f"-{DIGITS}", "", "-", "1_0", " 1", "²", "٣", "0x1", "1\n")),
    ],
)
def test_integers_are_those_of_go(text: str, signed: int | None, unsigned: int | None) -> None:
    assert (parse_int64(text), parse_uint64(text)) == (signed, unsigned)
    assert is_integer(text) == (text.lstrip("+-").isascii() and text.lstrip("+-").isdigit() and "\n" not in text)


@pytest.mark.parametrize("text", [DIGITS, "²", "--1", "x", ""])
def test_an_annotation_that_is_no_version_counts_as_none(text: str) -> None:
    assert version_of({"metadata": {"annotations": {VERSION_ANNOTATION: text}}}) is None


@pytest.mark.parametrize("pods", ["1e999", "NaN", "-1e999", DIGITS, '"x"', "null", "[]"])
def test_an_annotation_of_usage_that_cannot_be_read_counts_as_none(pods: str) -> None:
    text = f'{{"vcpuSeconds": 1, "gibSeconds": 1, "usd": 1, "usdOnFargate": 1, "pods": {pods}}}'

    assert read_gone({"metadata": {"annotations": {USED_BY_GONE: text}}}) == GonePods()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0-2,5", {0, 1, 2, 5}),
        (f"0-99999999999,{MAX_INDEX}", {MAX_INDEX}),
        (f"1,0-{DIGITS}", {1}),
        ("3,0-2,4", {3, 4}),
        ("²,x,,-1,2", {2}),
    ],
)
def test_indexes_of_a_job_go_only_so_far(text: str, found: set[int]) -> None:
    assert parse_indexes(text) == found


def test_many_indexes_are_counted_once() -> None:
    began = time.process_time()

    assert len(parse_indexes(f"0-{MAX_INDEX}," * 20_000)) == MAX_INDEX + 1

    assert time.process_time() - began < MOST_SECONDS


@pytest.mark.parametrize("count", [f"{DIGITS}%", "101%"])
def test_a_percentage_beyond_a_hundred_is_refused(count: str) -> None:
    assert [cause.message for cause in percent_causes(count, "at")] != []


def test_a_java_option_with_a_number_that_is_none_is_left_out() -> None:
    env: dict[str, Any] = {"SPARK_JAVA_OPT_1": "-Da", f"SPARK_JAVA_OPT_{DIGITS}": "-Db"}

    assert java_options(env) == ["-Da"]
