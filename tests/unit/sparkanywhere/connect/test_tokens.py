"""Tokens of Spark Connect's users: for this door alone, as long as they last and their account is there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.controllers.runtime.tokens import TokenClaims, TokenIssuer
from sparkanywhere.client.kube_client import ApiError
from sparkanywhere.connect.server import TokenRefused
from sparkanywhere.connect.tokens import AUDIENCE, NAME_LIMIT, REVIEW_SECONDS, TokenReviews, account_of, issue
from tests.api_client import ApiClient, control_plane
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[InProcessClient]:
    """A client of a control plane that asks for tokens."""
    plane = control_plane(tmp_path, token="admins-own")
    yield InProcessClient(ApiClient(plane, token="admins-own"))
    plane.close()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def reviews(kube: InProcessClient, *, namespace: str = "default", monotonic: Clock | None = None) -> TokenReviews:
    return TokenReviews(lambda: kube, namespace, monotonic=monotonic or Clock())


def refusal(found: TokenReviews, token: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        found.find_user(token)
    return str(refused.value)


def test_each_user_has_an_account_and_any_number_of_tokens(kube: InProcessClient) -> None:
    ana, again, bert = (issue(kube, "default", f"connect-{each}", seconds=600) for each in ("ana", "ana", "bert"))
    found = reviews(kube)

    assert [found.find_user(each.token) for each in (ana, again, bert)] == ["connect-ana"] * 2 + ["connect-bert"]
    assert timedelta(minutes=9) < ana.expires_at - datetime.now(UTC) <= timedelta(minutes=10)


def test_a_users_token_opens_no_control_plane(kube: InProcessClient) -> None:
    token = issue(kube, "default", "connect-ana", seconds=600).token

    assert ApiClient(kube.api.plane, token=token).request("GET", ACCOUNTS).status == 401


def test_a_token_of_the_control_plane_is_no_users(kube: InProcessClient) -> None:
    made = kube.create(f"{ACCOUNTS}/default/token", {"spec": {}})["status"]["token"]

    assert f'invalid for the target audiences ["{AUDIENCE}"]' in refusal(reviews(kube), made)
    assert "invalid bearer token" in refusal(reviews(kube), "admins-own")


def test_a_token_that_has_expired_is_refused_with_what_to_do(kube: InProcessClient) -> None:
    def yesterday() -> datetime:
        return datetime.now(UTC) - timedelta(days=1)

    issue(kube, "default", "connect-ana", seconds=600)
    issuer = TokenIssuer(kube.api.plane.base.storage, clock=yesterday, new_uid=lambda: str(uuid.uuid4()))
    old = issuer.issue(TokenClaims("default", "connect-ana"), seconds=3600, audiences=[AUDIENCE]).token

    words = refusal(reviews(kube), old)

    assert "service account token has expired" in words
    assert "`sparkanywhere connect` prints a URL with a new token" in words


def test_a_token_is_one_of_its_namespace(kube: InProcessClient) -> None:
    kube.create("/api/v1/namespaces", {"metadata": {"name": "jobs"}})
    token = issue(kube, "jobs", "connect-ana", seconds=600).token

    assert reviews(kube, namespace="jobs").find_user(token) == "connect-ana"
    assert "another namespace" in refusal(reviews(kube), token)


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_what_is_no_token_is_refused(kube: InProcessClient, token: str) -> None:
    assert "`sparkanywhere connect`" in refusal(reviews(kube), token)


def test_what_was_said_of_a_token_is_believed_for_a_minute(kube: InProcessClient) -> None:
    clock = Clock()
    found = reviews(kube, monotonic=clock)
    token = issue(kube, "default", "connect-ana", seconds=600).token
    found.find_user(token)

    kube.delete(f"{ACCOUNTS}/connect-ana")

    assert found.find_user(token) == "connect-ana"
    clock.now = REVIEW_SECONDS
    assert "has been invalidated" in refusal(found, token)


def test_a_control_plane_that_refuses_says_why(kube: InProcessClient) -> None:
    with pytest.raises(ApiError, match="10 minutes"):
        issue(kube, "default", "connect-ana", seconds=60)


@pytest.mark.parametrize("user", ["ana", "Ana", "ana.b", "ana-b", "x" * NAME_LIMIT])
def test_an_account_is_its_users_name(user: str) -> None:
    assert account_of(user) == f"connect-{user.lower()}"


@pytest.mark.parametrize(
    "user", ["", "---", "Ana B", "ana_b", "ana@b", "müller", "-ana", "ana.", "a..b", "x" * (NAME_LIMIT + 1)]
)
def test_a_name_that_would_become_another_is_refused(user: str) -> None:
    with pytest.raises(ValueError, match="is not 1 to"):
        account_of(user)
