"""Tokens stand for users; a bad one is 401, none is whoever anonymous is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.config import Settings, SettingsError
from chalicelib.controllers.runtime.tokens import LEEWAY_SECONDS, Purpose, TokenClaims, TokenInvalid, TokenIssuer
from chalicelib.endpoints.auth.callers import (
    ADMIN,
    ANONYMOUS,
    Authenticator,
    ServiceAccountTokens,
    StaticToken,
    StaticTokens,
    read_token_file,
)
from chalicelib.endpoints.http.requests import MASTERS
from chalicelib.plane.api import build_authenticator
from chalicelib.registry.parts import utc_now
from chalicelib.storage.keys import object_key
from chalicelib.storage.sqlite.storage import SqliteStorage


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    store = SqliteStorage(tmp_path / "objects.sqlite")
    yield store
    store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(storage: SqliteStorage, clock: Clock) -> TokenIssuer:
    return TokenIssuer(storage, clock=clock, new_uid=lambda: "some-uid")


@pytest.fixture
def authenticator(issuer: TokenIssuer) -> Authenticator:
    tokens = StaticTokens([StaticToken(ADMIN, "s3cret")])
    return Authenticator([tokens, ServiceAccountTokens(issuer)], ANONYMOUS)


def test_who_brings_no_token_is_anonymous(authenticator: Authenticator) -> None:
    assert authenticator.authenticate({}) == ANONYMOUS


def test_the_administrators_token_is_his(authenticator: Authenticator) -> None:
    assert authenticator.authenticate({"authorization": "Bearer s3cret"}) == ADMIN


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic s3cret", "Bearer a.b.c", "s3cret"])
def test_a_bad_token_is_unauthorized(authenticator: Authenticator, header: str) -> None:
    with pytest.raises(StatusError) as caught:
        authenticator.authenticate({"authorization": header})

    assert (caught.value.code, caught.value.message) == (401, "Unauthorized")


def account(storage: SqliteStorage, uid: str) -> None:
    metadata = {"name": "spark", "namespace": "jobs", "uid": uid}
    storage.create(object_key("serviceaccounts", "jobs", "spark"), {"metadata": metadata})


def test_a_service_account_token_names_its_account(
    authenticator: Authenticator, issuer: TokenIssuer, storage: SqliteStorage
) -> None:
    account(storage, "uid-1")
    token = issuer.issue(TokenClaims("jobs", "spark", "uid-1"), seconds=600).token

    user = authenticator.authenticate({"authorization": f"Bearer {token}"})

    assert user.name == "system:serviceaccount:jobs:spark"
    assert "system:serviceaccounts:jobs" in user.groups


@pytest.mark.parametrize(("token", "is_master"), [("", True), ("s3cret", False)])
def test_where_no_token_is_asked_for_one_takes_no_rights_away(issuer: TokenIssuer, token: str, is_master: bool) -> None:
    own = issuer.issue(TokenClaims("jobs", "spark"), seconds=600).token

    authenticator = build_authenticator(Settings(token=token), issuer, utc_now)
    user = authenticator.authenticate({"authorization": f"Bearer {own}"})

    assert user.name == "system:serviceaccount:jobs:spark"
    assert (MASTERS in user.groups) is is_master


def test_a_token_ends_with_its_time(issuer: TokenIssuer, clock: Clock) -> None:
    token = issuer.issue(TokenClaims("jobs", "spark"), seconds=600).token
    clock.now += timedelta(seconds=600)

    with pytest.raises(TokenInvalid, match="service account token has expired"):
        issuer.verify(token)


def test_a_token_dies_with_its_pod(issuer: TokenIssuer, storage: SqliteStorage) -> None:
    key = object_key("pods", "jobs", "d")
    stored = storage.create(key, {"metadata": {"name": "d", "uid": "pod-1"}, "status": {"phase": "Running"}})
    token = issuer.issue(TokenClaims("jobs", "spark", "", "d", "pod-1"), seconds=600).token
    assert issuer.verify(token).pod_name == "d"

    ended = {"metadata": {"name": "d", "uid": "pod-1"}, "status": {"phase": "Succeeded"}}
    storage.update(key, ended, expected_revision=stored.revision)

    with pytest.raises(TokenInvalid):
        issuer.verify(token)


def test_a_token_is_not_valid_before_its_time(issuer: TokenIssuer, clock: Clock) -> None:
    token = issuer.issue(TokenClaims("jobs", "spark"), seconds=600).token

    clock.now -= timedelta(seconds=LEEWAY_SECONDS)
    assert issuer.verify(token)

    clock.now -= timedelta(seconds=1)
    with pytest.raises(TokenInvalid):
        issuer.verify(token)


def test_a_token_dies_with_its_service_account_and_not_with_another_of_its_name(
    issuer: TokenIssuer, storage: SqliteStorage
) -> None:
    key = object_key("serviceaccounts", "jobs", "spark")
    account(storage, "first")
    token = issuer.issue(TokenClaims("jobs", "spark", "first"), seconds=600).token
    assert issuer.verify(token)

    storage.delete(key, expected_revision=storage.get(key).revision)
    with pytest.raises(TokenInvalid):
        issuer.verify(token)

    account(storage, "second")
    with pytest.raises(TokenInvalid):
        issuer.verify(token)


def test_a_token_serves_one_purpose(issuer: TokenIssuer) -> None:
    for purpose in get_args(Purpose):
        token = issuer.issue(TokenClaims("jobs", "spark"), seconds=600, audiences=["a"], purpose=purpose).token

        for other in get_args(Purpose):
            if other == purpose:
                assert issuer.verify(token, "a", purpose=other)
            else:
                with pytest.raises(TokenInvalid):
                    issuer.verify(token, "a", purpose=other)


def test_a_token_of_another_store_is_not_ours(issuer: TokenIssuer, clock: Clock, tmp_path: Path) -> None:
    other_store = SqliteStorage(tmp_path / "other.sqlite")
    other = TokenIssuer(other_store, clock=clock, new_uid=lambda: "x")
    token = other.issue(TokenClaims("jobs", "spark"), seconds=600).token
    other_store.close()

    with pytest.raises(TokenInvalid):
        issuer.verify(token)


def test_two_processes_share_one_signing_key(storage: SqliteStorage, clock: Clock) -> None:
    first = TokenIssuer(storage, clock=clock, new_uid=lambda: "x")
    second = TokenIssuer(storage, clock=clock, new_uid=lambda: "y")

    token = first.issue(TokenClaims("jobs", "spark"), seconds=600).token

    assert second.verify(token).service_account == "spark"


def test_a_token_file_is_read_as_kube_apiserver_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text('# comment\nabc,ana,7,"devs,ops"\ndef,bob,8\n')

    ana, bob = read_token_file(path)

    assert (ana.token, ana.user.name, ana.user.uid) == ("abc", "ana", "7")
    assert ana.user.groups == ("devs", "ops", "system:authenticated")
    assert bob.user.groups == ("system:authenticated",)


@pytest.mark.parametrize("line", ["hush", "hush,ana", "hush,,7", ",ana,7"])
def test_a_line_that_is_no_token_is_refused_without_telling_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text(f"# comment\n{line}\n")

    with pytest.raises(ValueError, match="line 2") as caught:
        read_token_file(path)

    assert "hush" not in str(caught.value)


def test_who_sets_up_a_token_file_alone_leaves_the_door_open_to_nobody(tmp_path: Path, issuer: TokenIssuer) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text("abc,ana,7\n")

    authenticator = build_authenticator(Settings(token_file=str(path)), issuer, utc_now)

    assert authenticator.authenticate({}) == ANONYMOUS
    assert authenticator.authenticate({"authorization": "Bearer abc"}).name == "ana"


@pytest.mark.parametrize(
    "settings", [{"token_file": "none"}, {"iam_users": "["}, {"iam_users": "[7]"}, {"iam_users": '[{"a": 1}]'}]
)
def test_tokens_that_cannot_be_read_are_a_wrong_setting(issuer: TokenIssuer, settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        build_authenticator(Settings(**settings), issuer, utc_now)  # type: ignore[arg-type]  # two fields of text
