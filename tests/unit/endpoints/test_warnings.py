"""Warning headers: one per sentence, whoever adds them."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.endpoints.http.responses import with_warnings


def test_warnings_of_two_sources_are_all_sent() -> None:
    response = with_warnings(Response(body=""), ["a"])

    with_warnings(response, ['b "c"'])

    assert response.headers["Warning"] == ['299 - "a"', '299 - "b \\"c\\""']


def test_no_warning_is_no_header() -> None:
    assert "Warning" not in with_warnings(Response(body=""), []).headers
