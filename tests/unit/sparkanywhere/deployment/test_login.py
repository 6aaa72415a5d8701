"""The user of a context that holds no token, and what its plugin prints."""

from __future__ import annotations

from datetime import UTC, datetime

from sparkanywhere.deployment.login import API_VERSION, exec_credential, plugin_user

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
