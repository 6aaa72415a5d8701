"""IAM tokens are taken only as `aws eks get-token` makes them, and each known attack is refused."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.aws_tokens import (
    CLUSTER_HEADER,
    PREFIX,
    IamTokens,
    TokenRefused,
    ask_sts,
    canonical_arn,
    checked_url,
    parse_mappings,
)
from tests.aws_box.wire import Answer, HttpServer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/data"
GOOD = {
    "Action": "GetCallerIdentity",
    "Version": "2011-06-15",
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": "AKIA/20261123/us-east-1/sts/aws4_request",
    "X-Amz-Date": "20261123T115900Z",
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": f"host;{CLUSTER_HEADER}",
    "X-Amz-Signature": "abc",
}


def token(base: str = "https://sts.us-east-1.amazonaws.com/", extra: str = "", **changed: str) -> str:
    query = urlencode({**GOOD, **{key.replace("_", "-"): value for key, value in changed.items()}})
    return PREFIX + base64.urlsafe_b64encode(f"{base}?{query}{extra}".encode()).decode().rstrip("=")


class Sts:
    """Says who everybody is, and counts how often it was asked."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self.headers: list[Mapping[str, str]] = []

    def __call__(self, url: str, headers: Mapping[str, str]) -> JSON:
        assert url.startswith("https://sts.")
        self.headers.append(headers)
        return {"Arn": self.arn, "UserId": "AROA:me", "Account": "123456789012"}


def tokens(sts: Sts) -> IamTokens:
    mappings = parse_mappings(f'[{{"arn": "{ROLE}", "username": "ana", "groups": ["devs"]}}]')
    return IamTokens(mappings, cluster="prod", ask_sts=sts, clock=lambda: NOW)


def test_a_mapped_role_is_its_user() -> None:
    sts = Sts("arn:aws:sts::123456789012:assumed-role/data/session")

    user = tokens(sts).find_user(token())

    assert user is not None
    assert (user.name, user.groups) == ("ana", ("devs", "system:authenticated"))
    assert sts.headers[0][CLUSTER_HEADER] == "prod"


def test_sts_is_asked_once_for_a_token() -> None:
    sts = Sts(ROLE)
    authenticator = tokens(sts)

    authenticator.find_user(token())
    authenticator.find_user(token())

    assert len(sts.headers) == 1


def test_a_role_that_is_mapped_to_nobody_is_unauthorized() -> None:
    with pytest.raises(StatusError) as caught:
        tokens(Sts("arn:aws:iam::123456789012:user/eve")).find_user(token())

    assert caught.value.code == 401


def test_another_kind_of_token_is_left_to_others() -> None:
    assert tokens(Sts(ROLE)).find_user("a.b.c") is None


@pytest.mark.parametrize(
    "bad",
    [
        token(base="http://sts.us-east-1.amazonaws.com/"),
        token(base="https://sts.evil.com/"),
        token(base="https://sts.amazonaws.com.evil.com/"),
        token(base="https://sts.us-east-1.amazonaws.com@evil.com/"),
        token(base="https://sts.us-east-1.amazonaws.com:8443/"),
        token(base="https://sts.us-east-1.amazonaws.com/elsewhere"),
        token(extra="&action=AssumeRole"),
        token(extra="&X-Amz-Something=1"),
        token(extra="#fragment"),
        token(Action="AssumeRole"),
        token(X_Amz_SignedHeaders="host"),
        token(X_Amz_Expires="901"),
        token(X_Amz_Expires="-1"),
        token(X_Amz_Expires=""),
        token(X_Amz_Date="20261123T114500Z"),
        token(X_Amz_Date="20261123T120600Z"),
        token(X_Amz_Date="yesterday"),
        token(X_Amz_Signature="x" * 10_000),
        PREFIX + "%%%",
        PREFIX,
    ],
)
def test_a_token_that_smells_is_refused(bad: str) -> None:
    with pytest.raises(TokenRefused):
        checked_url(bad, now=NOW)


def test_a_token_ends_a_quarter_of_an_hour_after_its_date() -> None:
    _, end = checked_url(token(), now=NOW)

    assert end == datetime(2026, 11, 23, 11, 59, tzinfo=UTC) + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("arn", "canonical"),
    [
        ("arn:aws:sts::123456789012:assumed-role/data/me@example.com", ROLE),
        ("arn:aws-cn:sts::123456789012:assumed-role/data/x/y", "arn:aws-cn:iam::123456789012:role/data"),
        ("arn:aws:iam::123456789012:user/ana", "arn:aws:iam::123456789012:user/ana"),
    ],
)
def test_sessions_count_as_their_role(arn: str, canonical: str) -> None:
    assert canonical_arn(arn) == canonical


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (500, b"", StatusError),
        (503, b"", StatusError),
        (400, b'{"Error": {"Code": "Throttling"}}', StatusError),
        (403, b'{"Error": {"Code": "SignatureDoesNotMatch"}}', ValueError),
        (400, b"", ValueError),
    ],
)
def test_an_sts_that_cannot_say_now_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, refusal: type[Exception]
) -> None:
    with closing(HttpServer(lambda _request: Answer(status, body))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)

        with pytest.raises(refusal) as raised:
            ask_sts("https://sts.amazonaws.com/?Action=GetCallerIdentity", {})

    assert getattr(raised.value, "code", 503) == 503


def test_an_sts_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")

    with pytest.raises(StatusError, match="does not answer"):
        ask_sts("https://sts.amazonaws.com/?Action=GetCallerIdentity", {})
