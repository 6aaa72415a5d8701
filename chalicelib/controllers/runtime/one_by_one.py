"""OneByOne: work on many things, of which one that fails keeps no other from its turn."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.storage.base import StorageUnavailable

LOG = logging.getLogger(__name__)

Result = TypeVar("Result")


class OneByOne:
    """Calls each piece of work, and keeps the first failure for the end. What fails while the store does is raised."""

    def __init__(self) -> None:
        self._failure: Exception | None = None

    def __call__(self, work: Callable[[], Result], default: Result) -> Result:
        """Return what the work returns, the default if it fails. Raises StorageUnavailable."""
        try:
            return work()
        except StorageUnavailable:
            raise
        except ProviderUnavailable as error:
            self.failed(error)
        except Exception as error:
            LOG.exception("one of many failed; left to the next run")
            self.failed(error)
        return default

    def failed(self, error: Exception | None) -> None:
        """Keep a failure, if there is one and it is the first."""
        self._failure = self._failure or error

    def end(self) -> None:
        """Raise the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure
