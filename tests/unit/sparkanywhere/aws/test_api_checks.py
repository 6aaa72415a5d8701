"""The checks that ask the API, where something else answers in its place: a proxy, a gateway, a page to sign in."""

from __future__ import annotations

import json

import pytest

from sparkanywhere.aws.api_checks import check_ready, check_token
from sparkanywhere.client.kube_client import Access, KubeClient
from tests.aws_box.wire import Answer, HttpServer

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize(
    ("status", "body"),
    [*((status, PAGE) for status in (200, 302, 401, 403, 500)), (200, b"{}"), (403, b'{"message": "Forbidden"}')],
)
def test_what_is_no_kubernetes_api_is_told_as_such_by_every_check(status: int, body: bytes) -> None:
    server = HttpServer(lambda _: Answer(status, body, [("Location", "/login"), ("Content-Type", "text/html")]))
    client = KubeClient(Access(server.url, "hush"))

    found = [*check_ready(client), *check_token(client)]
    server.close()

    assert [(each.what, each.state) for each in found] == [("API", "failure"), ("token", "failure")], found
    assert all(str(status) in each.text or "no Kubernetes API" in each.text for each in found), found
    assert not any("\n" in each.text or "<" in each.text for each in found), found


@pytest.mark.parametrize(
    ("code", "message", "state"),
    [
        (403, 'nodes is forbidden: User "jane" cannot list resource "nodes"', "ok"),
        (403, 'nodes is forbidden: User "system:anonymous" cannot list resource "nodes"', "failure"),
        (401, "Unauthorized", "failure"),
    ],
)
def test_a_user_who_may_not_list_nodes_is_known_by_the_status(code: int, message: str, state: str) -> None:
    body = json.dumps({"kind": "Status", "message": message})
    server = HttpServer(lambda _: Answer(code, body.encode(), [("Content-Type", "application/json")]))

    [found] = check_token(KubeClient(Access(server.url, "hush")))
    server.close()

    assert found.state == state, found
