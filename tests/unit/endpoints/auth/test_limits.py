"""One user cannot take what is everybody's."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.endpoints.auth.limits import Limits, UserLimits
from tests.api_client import ApiClient, control_plane


class Monotonic:
    """Seconds that pass by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_requests_beyond_the_rate_are_refused_until_time_has_passed() -> None:
    seconds = Monotonic()
    limits = Limits(UserLimits(requests_per_second=5), monotonic=seconds)
    for _ in range(10):
        limits.request("ana")

    with pytest.raises(StatusError) as caught:
        limits.request("ana")
    limits.request("bob")
    seconds.now = 0.2

    assert (caught.value.code, caught.value.retry_after_seconds) == (429, 1)
    limits.request("ana")


def test_a_watch_beyond_the_limit_is_refused_until_another_ends() -> None:
    limits = Limits(UserLimits(watches=1))
    first = limits.watch("ana", iter([b"a"]))
    with pytest.raises(StatusError) as caught:
        limits.watch("ana", iter([b""]))
    assert caught.value.code == 429

    assert list(first) == [b"a"]

    limits.watch("ana", iter([b""])).close()


def test_a_watch_that_is_closed_before_its_first_piece_counts_no_more() -> None:
    limits = Limits(UserLimits(watches=1))

    for _ in range(3):
        limits.watch("ana", iter([b"a"])).close()

    assert list(limits.watch("ana", iter([b"b"]))) == [b"b"]


def test_lists_of_one_user_wait_for_one_another_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.endpoints.auth.limits.LIST_SECONDS", 0.05)
    limits = Limits(UserLimits(lists=2))

    with limits.listing("ana"), limits.listing("ana"):
        with limits.listing("bob"):
            pass
        with pytest.raises(StatusError) as caught, limits.listing("ana"):
            pass

    assert (caught.value.code, caught.value.retry_after_seconds) == (429, 1)
    with limits.listing("ana"), limits.listing("ana"):
        pass


def test_a_list_goes_on_as_soon_as_another_is_made() -> None:
    limits = Limits(UserLimits(lists=1))
    done = threading.Event()

    def second() -> None:
        with limits.listing("ana"):
            done.set()

    with limits.listing("ana"):
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.05)
    thread.join()

    assert done.is_set()


CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def _configmap(name: str, kib: int) -> dict[str, object]:
    return {"metadata": {"name": name}, "data": {"k": "x" * (kib * 1024)}}


def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    plane = control_plane(tmp_path, body_kib=8)
    api = ApiClient(plane)

    api.create(CONFIGMAPS, _configmap("a", 7))
    refused = api.request("POST", CONFIGMAPS, _configmap("b", 9))
    plane.close()

    assert (refused.status, refused.reason) == (413, "RequestEntityTooLarge")
    assert refused.body["message"] == "Request entity too large: limit is 8192"


def test_a_list_beyond_the_limit_is_refused_whole_and_given_in_shorter_pages(tmp_path: Path) -> None:
    plane = control_plane(tmp_path, list_kib=40, watch="streamed")
    api = ApiClient(plane)
    for name in "abcd":
        api.create(CONFIGMAPS, _configmap(name, 15))

    whole = api.request("GET", CONFIGMAPS)
    page = api.get(f"{CONFIGMAPS}?limit=4")
    rest = api.get(f"{CONFIGMAPS}?limit=4&continue={page['metadata']['continue']}")
    plane.close()

    assert whole.status == 413
    assert "ask with a limit" in whole.body["message"]
    assert 1 <= len(page["items"]) < 4
    assert page["metadata"]["remainingItemCount"] == 4 - len(page["items"])
    assert rest["items"]


def test_a_namespace_holds_so_many_objects_of_a_resource(tmp_path: Path) -> None:
    plane = control_plane(tmp_path, namespace_objects=2)
    api = ApiClient(plane)
    for name in "ab":
        api.create(CONFIGMAPS, _configmap(name, 1))

    refused = api.request("POST", CONFIGMAPS, _configmap("c", 1))
    plane.close()

    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert "exceeded quota" in refused.body["message"]


def test_lists_are_counted_and_single_objects_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.endpoints.auth.limits.LIST_SECONDS", 0.05)
    plane = control_plane(tmp_path, user_lists=1)
    client = ApiClient(plane)
    client.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    limits = plane.api._access.limits

    with limits.listing("sparkanywhere-admin"):
        codes = [client.request("GET", path).status for path in (CONFIGMAPS, f"{CONFIGMAPS}/a", "/api/v1/namespaces")]

    plane.close()
    assert codes == [429, 200, 429]
