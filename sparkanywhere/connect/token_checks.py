"""Whose a token is, asked of the control plane so that whoever guesses tokens holds up nobody who has one."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

from sparkanywhere.client.kube_client import ApiUnreachable
from sparkanywhere.connect.server import TokenRefused
from sparkanywhere.local.wrong_tokens import WrongTokens

MOST_OF_ADDRESS = 8  # different tokens that are being asked about, or whose refusal is held back


class Users(Protocol):
    """Whatever tells whose a token is."""

    def find_known(self, token: str) -> str:
        """Return the user of a token that was found good lately, else "". In memory: it does not block."""

    def find_user(self, token: str) -> str:
        """Return the user of a token; it may block. Raises TokenRefused, ApiUnreachable, Failure."""


class TokenChecks:
    """Asks about one token at a time, about each once for all who send it. Within one event loop."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._wrong_tokens = WrongTokens()
        self._asking = asyncio.Lock()
        self._checks: dict[tuple[str, str], asyncio.Task[str]] = {}  # by address and token
        self._of_address: Counter[str] = Counter()

    async def find_user(self, token: str, address: str) -> str:
        """Return the user of a token; an address that has sent wrong ones waits for its refusal.

        Raises what Users.find_user() does, and ApiUnreachable for too many tokens of an address at once. A caller that
        is cancelled leaves its check to its end: threads cannot be stopped.
        """
        if user := self._users.find_known(token):
            return user
        key = address, token
        if (check := self._checks.get(key)) is None:
            if self._of_address[address] >= MOST_OF_ADDRESS:
                raise ApiUnreachable("Too many tokens of this address are being checked: try again.")
            self._of_address[address] += 1
            check = self._checks[key] = asyncio.create_task(self._check(*key))
        return await asyncio.shield(check)

    async def _check(self, address: str, token: str) -> str:
        try:
            async with self._asking:
                return await asyncio.to_thread(self._users.find_user, token)
        except TokenRefused:
            await asyncio.sleep(self._wrong_tokens.count(address))
            raise
        finally:
            del self._checks[address, token]
            self._of_address -= Counter((address,))  # forgets it where nothing is left
