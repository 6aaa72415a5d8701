"""What a provider may offer beside Provider; see also interactive."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, runtime_checkable


@runtime_checkable
class VolumeKeeper(Protocol):
    """A provider whose named volumes take up room until they are removed."""

    def keep_volumes(self, wanted: Callable[[], Collection[str]]) -> None:
        """Remove every named volume whose source is not wanted; one that a task still mounts may stay.

        Asks what is wanted once it knows what there is: so a volume is never taken for unwanted that was
        made after its source. Repeatable. Raises ProviderUnavailable.
        """


@runtime_checkable
class HasListenAddresses(Protocol):
    """A provider whose tasks have a network of their own on this machine."""

    @property
    def listen_addresses(self) -> tuple[str, ...]:
        """Return this machine's addresses at which tasks look for the control plane: a local server listens there."""
