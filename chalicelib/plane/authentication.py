"""Callers: how this control plane knows who calls, by what the settings say."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from chalicelib.config import Settings, SettingsError
from chalicelib.controllers.runtime.tokens import TokenIssuer
from chalicelib.endpoints.auth.authentication import (
    ADMIN,
    ANONYMOUS,
    Authenticator,
    ServiceAccountTokens,
    StaticToken,
    StaticTokens,
    TokenAuthenticator,
    read_token_file,
)
from chalicelib.endpoints.auth.iam_tokens import IamTokens, ask_sts, parse_mappings
from chalicelib.endpoints.auth.secret_token import SecretToken
from chalicelib.secret_value import check_arn, read_secret


def build_authenticator(
    settings: Settings, issuer: TokenIssuer, clock: Callable[[], datetime]
) -> Authenticator:
    """Return the authenticator. Raises SettingsError for tokens or identities that cannot be read."""
    tokens = [StaticToken(ADMIN, settings.token)] if settings.token else []
    try:
        tokens += read_token_file(Path(settings.token_file)) if settings.token_file else []
        mappings = parse_mappings(settings.iam_users)
    except (OSError, ValueError) as error:
        raise SettingsError(f"SPARKANYWHERE_TOKEN_FILE or SPARKANYWHERE_IAM_USERS: {error}") from error
    kinds: list[TokenAuthenticator] = [StaticTokens(tokens), ServiceAccountTokens(issuer)]
    if mappings:
        kinds.append(IamTokens(mappings, cluster=settings.deployment, ask_sts=ask_sts, clock=clock))
    if settings.token_from:
        arn = settings.token_from
        check_arn(arn)
        kinds.append(SecretToken(ADMIN, lambda: read_secret(arn), monotonic=time.monotonic))
    return Authenticator(kinds, ADMIN if is_open(settings) else ANONYMOUS)


def is_open(settings: Settings) -> bool:
    """Return whether everybody is the administrator: no way to say who one is has been set up. For loopback only."""
    knows_somebody = settings.token or settings.token_from or settings.token_file or settings.iam_users
    return not (knows_somebody or settings.declaration.is_remote)
