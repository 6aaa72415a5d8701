"""NodeCapacity: how much the provider's nodes have for pods: what the provider says, or the settings in its place."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.providers.base import Capacity, Provider, ProviderUnavailable


class NodeCapacity:
    """`memory_mib` and `cpus` are what the requests of all pods may come to; 0 is the provider's own figure."""

    def __init__(self, provider: Provider, *, memory_mib: int = 0, cpus: int = 0) -> None:
        self._provider = provider
        self._memory_mib = memory_mib
        self._cpus = cpus
        self._is_bounded: bool | None = None

    def all(self) -> list[Capacity]:
        """Return what there is, one entry for each architecture. Raises ProviderUnavailable."""
        return [
            replace(each, memory_mib=self._memory_mib or each.memory_mib, cpu_milli=self._cpus * 1000 or each.cpu_milli)
            for each in self._provider.capacities()
        ]

    def is_bounded(self) -> bool:
        """Return whether there is an end to what pods may ask for; yes while the provider cannot tell."""
        if self._is_bounded is None:
            try:
                known = self.all()
            except ProviderUnavailable:
                return True
            self._is_bounded = any(each.memory_mib or each.cpu_milli or each.gpus for each in known)
        return self._is_bounded
