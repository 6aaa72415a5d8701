"""The user of a context that holds no token, and what its plugin prints."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.session import Session

from sparkanywhere.deployment.login import API_VERSION, LoginFailed, default_region, exec_credential, plugin_user

ARN = "arn:aws:ssm:us-east-1:123456789012:parameter/sparkanywhere-prod/admin-token"


def test_the_user_is_a_plugin_that_asks_with_the_profile_of_the_login() -> None:
    plain, named = (plugin_user(ARN, environ)["exec"] for environ in ({}, {"AWS_PROFILE": "work"}))

    assert plain["args"][-2:] == ["token", ARN]
    assert (plain["apiVersion"], plain["interactiveMode"], "env" in plain) == (API_VERSION, "Never", False)
    assert named["env"] == [{"name": "AWS_PROFILE", "value": "work"}]


def test_a_credential_is_asked_for_again_after_five_minutes() -> None:
    made = exec_credential("secret", datetime(2026, 11, 30, 12, 0, tzinfo=UTC))

    assert made == {
        "apiVersion": API_VERSION,
        "kind": "ExecCredential",
        "status": {"token": "secret", "expirationTimestamp": "2026-11-30T12:05:00Z"},
    }


@pytest.mark.parametrize(
    ("region", "hint"),
    [
        ("us-esat-1", ": did you mean us-east-1?"),
        ("us-wset-2", ": did you mean us-west-2?"),
        ("eu-west1", ": did you mean eu-west-1?"),
        ("us-eest-1", ": did you mean us-east-1 or us-west-1?"),
        ("nowhere", ", or this botocore is older than it."),
    ],
)
def test_a_region_that_is_not_there_is_told_with_the_one_that_was_meant(region: str, hint: str) -> None:
    with pytest.raises(LoginFailed) as caught:
        default_region(Session(), region)

    assert str(caught.value) == f"AWS has no region {region}{hint}"
