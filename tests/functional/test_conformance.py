"""Our API against a real server's recorded answers, and how these are recorded and compared."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tools.conformance.__main__ import CASES, main, our_server
from tools.conformance.cases import Case, read
from tools.conformance.levels import LEVELS, agreed
from tools.conformance.masking import masked
from tools.conformance.replay import Replay
from tools.conformance.report import BEGIN, END, Report, compared, recorded, write_page

UID = "11111111-2222-3333-4444-555555555555"
NAMESPACE = {"method": "GET", "path": "/api/v1/namespaces/{ns}"}


@pytest.mark.slow  # five seconds, of a server that starts and 350 requests
def test_as_many_answers_as_promised_are_those_of_a_real_server(tmp_path: Path) -> None:
    with our_server(tmp_path, os.environ) as server:
        report = compared(read(CASES), Replay(server))

    assert report.requests.total() > 300
    assert report.below() == [], "\n".join(report.differing)


@pytest.mark.slow  # two seconds, of a server that starts
def test_what_is_recorded_of_a_server_is_what_it_answers(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    steps = [{"request": {**NAMESPACE, "save": {"rv": "/metadata/resourceVersion"}}}, {"request": {"sleep": 0}}]
    steps += [{"request": {**NAMESPACE, "path": f"{NAMESPACE['path']}/configmaps?resourceVersion=${{rv}}"}}]
    (folder / "own.json").write_text(json.dumps({"group": "own", "cases": [{"id": "a", "steps": steps}]}))

    with our_server(tmp_path, os.environ) as server:
        recorded(read(folder), Replay(server), "ours")
        report = compared(read(folder), Replay(server))

    kept = json.loads((folder / "own.json").read_text())
    assert kept["server"] == "ours"
    assert [step.get("response", {}).get("status") for step in kept["cases"][0]["steps"]] == [200, None, 200]
    assert {level: report.share(level) for level in LEVELS} == dict.fromkeys(LEVELS, 1.0)


def test_recording_needs_a_real_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"RECORD": "1"}) == 2
    assert "KUBE_APISERVER=path ETCD=path" in capsys.readouterr().out


def test_a_folder_without_cases_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"SPARKANYWHERE_CONFORMANCE": str(tmp_path)}) == 2
    assert f"no cases in {tmp_path}" in capsys.readouterr().out


WANT: dict[str, Any] = {
    "status": 422,
    "headers": {"content-type": "application/json"},
    "body": {
        "kind": "Status",
        "reason": "Invalid",
        "code": 422,
        "message": "m",
        "details": {"causes": [{"message": "c"}]},
    },
}


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({"status": 400}, None),
        ({"body": WANT["body"] | {"reason": "BadRequest"}}, "status"),
        ({"body": WANT["body"] | {"more": 1}}, "reason"),
        ({"body": {key: WANT["body"][key] for key in ("kind", "reason", "code")}}, "given"),
        ({"body": WANT["body"] | {"message": "n"}}, "shape"),
        ({"body": WANT["body"] | {"details": {"causes": [{"message": "d"}]}}}, "shape"),
        ({"headers": {}}, "body"),
        ({}, "exact"),
    ],
)
def test_an_answer_agrees_up_to_a_level(change: dict[str, Any], level: str | None) -> None:
    assert agreed(WANT, WANT | change) == list(LEVELS[: LEVELS.index(level) + 1 if level else 0])


def test_what_differs_from_run_to_run_is_masked() -> None:
    answer = {
        "metadata": {"namespace": "g-x-1", "uid": UID, "resourceVersion": "12", "generateName": "a-", "name": "a-xyz"},
        "message": f"g-x-1: {UID} at 2026-11-30T20:00:00Z",
        "rows": [{"cells": ["a", "3m12s", 3]}],
        "spec": {"clusterIP": "10.96.3.4", "clusterIPs": ["None"]},
    }

    assert masked(answer, namespace="g-x-1") == {
        "metadata": {
            "namespace": "<ns>",
            "uid": "<uid>",
            "resourceVersion": "<rv>",
            "generateName": "a-",
            "name": "a-<rand>",
        },
        "message": "<ns>: <uid> at <time>",
        "rows": [{"cells": ["a", "<age>", 3]}],
        "spec": {"clusterIP": "<ip>", "clusterIPs": ["None"]},
    }


def test_too_few_agreements_are_told() -> None:
    report = Report()
    case = Case("group", "name", [])
    for number in range(10):
        report.add(case, {"request": NAMESPACE, "response": WANT}, WANT | {"status": 422 if number else 400})

    assert "status: 90.0% of 10 requests agree, the floor is 97%" in report.below()
    assert "| group | 10 | 9 | 9 | 9 | 9 | 9 | 9 |" in report.table()
    assert "422" in report.differing[0]


def test_the_page_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "conformance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_page(page, "| new |")

    assert page.read_text() == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"


def test_a_page_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "conformance.md"
    page.write_text("no markers\n")

    with pytest.raises(ValueError, match="no place for the table"):
        write_page(page, "| new |")
