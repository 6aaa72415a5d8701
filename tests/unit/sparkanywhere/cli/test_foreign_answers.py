"""Commands that ask AWS where something else answers, such as a proxy's page: one sentence, and no traceback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkanywhere.__main__ import main
from sparkanywhere.aws.checkup import examine
from sparkanywhere.aws.clients import Clients
from sparkanywhere.client.kube_client import Access
from tests.aws_box.wire import Answer, HttpServer

NOT_AWS = "What answers is not AWS: a proxy, or another server that AWS_ENDPOINT_URL names."
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in<br></title></head></html>"
SSM = "arn:aws:ssm:us-east-1:123456789012:parameter/sparkanywhere-prod/admin-token"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-abc"
COMMANDS = (
    ["login", "--region", "us-east-1"],
    ["deploy", "aws", "--dry-run", "--region", "us-east-1"],
    ["token", SSM],
    ["token", SECRET],
)

Serve = Callable[[int, bytes], str]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Give what has one answer given to every call of AWS's APIs; it returns the server's URL."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    servers: list[HttpServer] = []

    def serve(status: int, body: bytes) -> str:
        server = HttpServer(lambda _: Answer(status, body, [("Content-Type", "text/html")]))
        servers.append(server)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        return server.url

    yield serve
    for each in servers:
        each.close()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("status", "body"), [(200, PAGE), (200, b"<html/>"), (403, PAGE), (500, PAGE)])
def test_a_page_in_place_of_an_answer_is_one_sentence(serve: Serve, words: list[str], status: int, body: bytes) -> None:
    serve(status, body)

    result = CliRunner().invoke(main, words)

    [line] = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (1, "")
    assert line.startswith("Error: ")
    assert "<" not in line
    assert line.endswith(NOT_AWS) or (status != 200 and str(status) in line), line


@pytest.mark.parametrize("status", [200, 500])
def test_no_check_breaks_by_a_page(serve: Serve, status: int) -> None:
    access = Access(serve(status, PAGE))

    found = examine(Clients("us-east-1"), access, images=[], function="f", why_no_token="no")

    told = {each.what: each for each in found if each.what in ("deployment", "identity")}
    assert {each.state for each in told.values()} == {"unknown"}, told
    assert told["identity"].text == f"AWS cannot be asked: {NOT_AWS.rstrip('.')}"
    assert "broke" not in told["deployment"].text
