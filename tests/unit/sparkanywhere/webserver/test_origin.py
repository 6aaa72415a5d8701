"""Requests that a page in a browser may have sent."""

from __future__ import annotations

import pytest

from sparkanywhere.webserver.origin import refusal


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "127.0.0.1:8000"},
        {"host": "[::1]:8000"},
        {"host": "10.1.2.3"},
        {"host": "LocalHost:8000"},
        {"host": "kubernetes.default.svc"},
        {"host": "kubernetes.default.svc.cluster.local:443"},
        {"host": "host.docker.internal:8000"},
        {"host": "my-laptop:8000"},
        {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"},  # fabric8's WebSocket attempt
        {"host": "kubernetes.default.svc", "origin": "https://kubernetes.default.svc:443"},  # the same, Vert.x
        {"host": "kubernetes.default.svc:443", "origin": "https://kubernetes.default.svc"},
        {"host": "localhost", "sec-fetch-site": "none"},
    ],
)
def test_clients_of_kubernetes_pass(headers: dict[str, str]) -> None:
    assert refusal(headers, frozenset({"my-laptop"})) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "localhost.evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "evilsvc"},
        {"host": ""},
        {"host": "[::1"},
        {"host": "127.0.0.1:8000", "origin": "http://evil.example"},
        {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:9000"},
        {"host": "127.0.0.1:443", "origin": "http://127.0.0.1"},
        {"host": "127.0.0.1:8000", "origin": "null"},
        {"host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"},
        {"host": "127.0.0.1:8000", "sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_others_do_not(headers: dict[str, str]) -> None:
    assert refusal(headers) is not None
