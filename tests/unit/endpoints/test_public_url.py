"""Pods are told the URL that requests came to, of those requests alone whose callers have a token."""

from __future__ import annotations

from pathlib import Path

import pytest
from chalice.app import Request

from tests.api_client import control_plane

TOKEN = "an-administrators-token"
HOST = "abc.execute-api.us-east-1.amazonaws.com"


def request(authorization: str, domain: str = HOST) -> Request:
    """Return a GET of the API's root, as API Gateway passes it on."""
    return Request(
        {
            "multiValueQueryStringParameters": None,
            "headers": {"authorization": authorization} if authorization else {},
            "pathParameters": {"p1": "api"},
            "requestContext": {"httpMethod": "GET", "resourcePath": "/{p1}", "domainName": domain, "stage": "api"},
            "body": None,
            "stageVariables": None,
            "isBase64Encoded": False,
        },
        None,
    )


@pytest.mark.parametrize(
    ("authorization", "url"),
    [(f"Bearer {TOKEN}", f"https://{HOST}/api"), ("", ""), ("Bearer wrong", ""), (f"Basic {TOKEN}", "")],
)
def test_only_who_has_a_token_tells_where_the_api_is(tmp_path: Path, authorization: str, url: str) -> None:
    plane = control_plane(tmp_path, url="", token=TOKEN)

    plane.api.handle(request(authorization))

    assert plane.base.url.get() == url
    plane.close()


def test_a_stranger_does_not_send_pods_elsewhere(tmp_path: Path) -> None:
    plane = control_plane(tmp_path, url="", token=TOKEN)
    plane.api.handle(request(f"Bearer {TOKEN}"))

    plane.api.handle(request("", "somebody-elses.example.com"))

    assert plane.base.url.get() == f"https://{HOST}/api"
    plane.close()
