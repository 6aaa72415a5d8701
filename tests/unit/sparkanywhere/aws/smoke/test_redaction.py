"""What a recording must not have: accounts, ids, addresses, names and tokens of whoever tried."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sparkanywhere.aws.smoke.outcome import Outcome
from sparkanywhere.aws.smoke.recorder import Recorder
from sparkanywhere.aws.smoke.redaction import Redactor

SECRET = "an-administrators-token"
OWN = "998877665544"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"arn:aws:iam::{OWN}:role/sparkanywhere/tasks/x", "arn:aws:iam::123456789012:role/sparkanywhere/tasks/x"),
        ("account 111122223333", "account 210000000001"),
        (f"token {SECRET}!", "token TOKEN!"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer TOKEN"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "TOKEN"),
        ("k8s-aws-v1.aHR0cHM6Ly9zdHM", "TOKEN"),
        (
            "https://s3/x?X-Amz-Credential=A%2FB&X-Amz-Signature=ab12&y=1",
            "https://s3/x?X-Amz-Credential=TOKEN&X-Amz-Signature=TOKEN&y=1",
        ),
        ("AKIAIOSFODNN7EXAMPL2", "AKIAEXAMPLE"),
        (f"arn:aws:sts::{OWN}:assumed-role/Admin/ana", "arn:aws:sts::123456789012:assumed-role/somebody"),
        ("ana.lopez@example.org wrote", "somebody@example.com wrote"),
        ("subnet-0a1b2c3d4e5f60718 sg-0a1b2c3d", "subnet-00000000000000001 sg-00000000000000002"),
        ("task/jobs/0123456789abcdef0123456789abcdef", "task/jobs/00000000000000000000000000000001"),
        ("uid 0a1b2c3d-0000-4000-8000-00000a0b0c0d", "uid 00000000-0000-4000-8000-000000000001"),
        (
            "https://q9w8e7r6t5.execute-api.eu-west-1.amazonaws.com/api",
            "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/api",
        ),
        ("from 54.12.13.14 to 10.32.0.7", "from 192.0.2.1 to 10.32.0.7"),
        ("version 3.5.7 and 127.0.0.1, 1767890000123 ms", "version 3.5.7 and 127.0.0.1, 1767890000123 ms"),
    ],
)
def test_what_is_somebodys_own_is_replaced_and_the_rest_stays(text: str, expected: str) -> None:
    assert Redactor([SECRET], account=OWN)(text) == expected


def test_the_same_id_stays_the_same_and_different_ones_different() -> None:
    redact = Redactor()

    first, second = redact("a 54.1.1.1 b 54.2.2.2"), redact("54.2.2.2")

    assert first == "a 192.0.2.1 b 192.0.2.2"
    assert second == "192.0.2.2"
    assert redact(redact(first)) == first


def test_a_record_is_redacted_as_it_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "smoke-1", Redactor([SECRET], account=OWN))
    recorder.add("http", request={"headers": [["X-Token", SECRET]]}, answer={"body": f"role of {OWN}"})

    path = recorder.write(Outcome("apply", "ok", "from 54.1.1.1", 1.0))
    recorder.write(Outcome("watch", "ok", "", 1.0))

    told = json.loads(path.read_text())
    assert path.name == "01-apply.json"
    assert told["text"] == "from 192.0.2.1"
    assert told["records"] == [
        {"kind": "http", "request": {"headers": [["X-Token", "TOKEN"]]}, "answer": {"body": "role of 123456789012"}}
    ]
    assert json.loads((tmp_path / "smoke-1" / "02-watch.json").read_text())["records"] == []
    assert not re.search(rf"{SECRET}|{OWN}", path.read_text())
