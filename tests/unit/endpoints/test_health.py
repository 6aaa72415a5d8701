"""/healthz, /livez and /readyz, their checks, and who may ask what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.endpoints.verbs.health import FRESH_SECONDS, Remembered
from tests.api_client import ApiClient, control_plane


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return an administrator's client."""
    plane = control_plane(tmp_path, token="admin-token")
    yield ApiClient(plane, "admin-token")
    plane.close()


@pytest.mark.parametrize(
    ("url", "status", "body"),
    [
        ("/healthz", 200, "ok"),
        ("/livez", 200, "ok"),
        ("/readyz", 200, "ok"),
        ("/readyz/store", 200, "ok"),
        ("/readyz/ping", 200, "ok"),
        ("/livez/ping", 200, "ok"),
        ("/livez?verbose", 200, "[+]ping ok\nlivez check passed\n"),
        ("/readyz?verbose", 200, "[+]ping ok\n[+]store ok\nreadyz check passed\n"),
        ("/readyz?verbose&exclude=store", 200, "[+]ping ok\n[+]store excluded: ok\nreadyz check passed\n"),
    ],
)
def test_a_server_that_is_well_says_so(api: ApiClient, url: str, status: int, body: str) -> None:
    answer = api.request("GET", url)

    assert (answer.status, answer.body) == (status, body)
    assert api.request("HEAD", url).status == status


def test_a_check_that_cannot_be_excluded_is_told(api: ApiClient) -> None:
    told = api.request("GET", "/readyz?verbose&exclude=moon").body

    assert 'warn: some health checks cannot be excluded: no matches for "moon"' in told


@pytest.mark.parametrize("path", ["/readyz/moon", "/livez/store", "/readyz/store/more"])
def test_a_check_that_there_is_not_is_a_404(api: ApiClient, path: str) -> None:
    assert api.request("GET", path).status == 404


def test_a_dead_store_is_told_to_all_and_its_reason_to_the_administrator(api: ApiClient) -> None:
    api.plane.base.storage.close()

    everybody = api.request("GET", "/readyz", token="")
    reason = api.request("GET", "/readyz/store")

    assert (everybody.status, everybody.body) == (
        500,
        "[+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n",
    )
    assert (reason.status, "closed database" in reason.body) == (500, True)
    assert api.request("GET", "/readyz?exclude=store", token="").body == "ok"
    assert api.request("GET", "/livez", token="").body == "ok"


def test_without_a_token_the_three_paths_may_be_read_and_no_more(api: ApiClient) -> None:
    """As upstream, whose role system:public-info-viewer has GET alone."""
    asked = [("GET", "/readyz"), ("GET", "/readyz/store"), ("HEAD", "/readyz")]

    assert [api.request(method, path, token="").status for method, path in asked] == [200, 403, 403]


def test_the_store_is_not_written_to_for_each_question() -> None:
    now, asked = [0.0], []

    def check() -> str:
        asked.append(now[0])
        return "bad" if now[0] else ""

    remembered = Remembered(check, monotonic=lambda: now[0])

    assert [remembered() for _ in range(5)] == [""] * 5
    now[0] = FRESH_SECONDS
    assert [remembered() for _ in range(5)] == ["bad"] * 5
    assert asked == [0.0, FRESH_SECONDS]
