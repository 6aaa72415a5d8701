"""What the terraform command says, as sentences, and that it is let end by itself."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TextIO

import pytest

from sparkanywhere.deployment.terraform import Interrupted, Terraform, TerraformFailed, diagnosed, ended

RULE = "This was checked by the validation rule at variables.tf:68,3-13."
OURS, TYPE = "network is one of public, nat, endpoints.", "The given value is not suitable: a number is required."
KNOWN = "reserved_concurrency knows these."
SAID = [
    ("Invalid value for variable", f"{OURS}\n\n{RULE}", OURS),
    ("Resource postcondition failed", "It is made with stage prod,\nnot dev.", "It is made with stage prod, not dev."),
    ("Module output value precondition failed", KNOWN, KNOWN),
    ("Invalid value for input variable", TYPE, f"Invalid value for input variable: {TYPE}"),
    ("No valid credential sources found", "", "No valid credential sources found."),
]
WAITS = """
from pathlib import Path
from time import sleep
Path("began").touch()
while not Path("may-end").exists():
    sleep(0.01)
Path("state").touch()
"""


def line(summary: str, detail: str, *, level: str = "error") -> str:
    diagnostic = {"severity": level, "summary": summary, "detail": detail}
    return json.dumps({"@level": level, "@message": summary, "type": "diagnostic", "diagnostic": diagnostic})


@pytest.mark.parametrize(("summary", "detail", "sentence"), SAID)
def test_an_error_of_a_plan_is_one_sentence(summary: str, detail: str, sentence: str) -> None:
    assert diagnosed(line(summary, detail)) == [sentence]


def test_each_error_is_told_and_nothing_else() -> None:
    version = '{"@level":"info","@message":"Terraform 1.11.4","type":"version"}'
    output = "\n".join([version, line("Old", "", level="warn"), *(line(*each[:2]) for each in SAID), '{"a": 1}'])

    assert diagnosed(output) == [each[2] for each in SAID]


def program(folder: Path, text: str) -> None:
    """Make a program that is called terraform."""
    file = folder / "terraform"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_command_that_fails_raises_its_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "said").write_text(line(*SAID[0][:2]))
    program(tmp_path, "cat said; echo '│ Error: the same, for people' >&2; exit 1")

    with pytest.raises(TerraformFailed, match=r"^network is one of public, nat, endpoints\.$"):
        Terraform(tmp_path).read("plan", "-json")

    program(tmp_path, "printf '╷\\n│ Error: No network\\n│ \\n│ It is\\n│ down\\n╵\\n' >&2; exit 1")
    with pytest.raises(TerraformFailed, match=r"^No network It is down\.$"):
        Terraform(tmp_path).read("init")

    program(tmp_path, "exit 3")
    with pytest.raises(TerraformFailed, match=r"^terraform init ended with 3\.$"):
        Terraform(tmp_path).read("init")


def test_what_is_made_is_shown_and_the_outputs_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program(tmp_path, "printf 'aws_vpc.this: Creating...\\nApply complete!\\n\\nOutputs:\\n\\nkey_arn = 1\\n'")

    Terraform(tmp_path).run("apply")

    assert capsys.readouterr().out == "aws_vpc.this: Creating...\nApply complete!\n\n"


def closed_pipe() -> TextIO:
    """Return the end of a pipe that nobody reads, as of `| head`."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    return os.fdopen(write_end, "w")


@pytest.mark.parametrize(
    "stdout", [lambda: TextIOWrapper(BytesIO(), "utf-8"), lambda: TextIOWrapper(BytesIO(), "ascii"), closed_pipe]
)
def test_a_command_is_heard_out_whatever_it_says_and_whoever_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdout: Callable[[], TextIO]
) -> None:
    """With a closed pipe before it, Terraform would die and forget what it has made."""
    program(tmp_path, "for each in $(seq 9999); do printf 'made \\377 ╷ %s\\n' $each || exit 1; done; touch state")
    ours = stdout()
    monkeypatch.setattr("sys.stdout", ours)

    code = ended([str(tmp_path / "terraform")], tmp_path, until="Outputs:")

    assert (code, (tmp_path / "state").exists()) == (0, True)
    with suppress(BrokenPipeError):
        ours.close()


def test_ctrl_c_waits_for_the_command_which_has_heard_it_too(tmp_path: Path) -> None:
    """Killed, Terraform would forget what it has made."""

    def press() -> None:
        while not (tmp_path / "began").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        (tmp_path / "may-end").touch()

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(Interrupted, match="the same command again goes on from there"):
        ended([sys.executable, "-c", WAITS], tmp_path)
    thread.join()

    assert (tmp_path / "state").exists()
