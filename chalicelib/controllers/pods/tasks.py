"""PodTasks: what the PodController asks of a provider that may fail without harm, since resync asks again."""

from __future__ import annotations

import logging

from chalicelib.providers.base import Provider, ProviderUnavailable, TaskNotFound

LOG = logging.getLogger(__name__)


class PodTasks:
    """Ends tasks and finds them. Every call may be repeated."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def stop(self, handle: str, *, grace_seconds: float, reason: str) -> bool:
        """Ask a task to end; return whether the provider (still) knows it, as far as can be told."""
        try:
            self._provider.stop(handle, grace_seconds=grace_seconds, reason=reason)
        except TaskNotFound:
            return False
        except ProviderUnavailable as error:
            LOG.warning("stop failed, left to resync task=%s reason=%s", handle, error.reason)
        return True

    def discard(self, handle: str) -> None:
        """End a task at once and forget it; one that this fails for is an orphan for resync. "" is none."""
        if not handle:
            return
        try:
            self._provider.remove(handle)
        except TaskNotFound:
            return
        except ProviderUnavailable as error:
            LOG.warning("remove failed, left to resync task=%s reason=%s", handle, error.reason)

    def find(self, uid: str) -> str:
        """Return the handle of a pod whose annotation was lost (a client may replace annotations), or ""."""
        try:
            return next((state.handle for state in self._provider.list_tasks() if state.uid == uid), "")
        except ProviderUnavailable:
            return ""
