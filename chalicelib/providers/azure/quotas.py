"""What a subscription may have in a region, asked once an hour."""

from __future__ import annotations

import logging
import threading
import time

from chalicelib.providers.azure.arm import NotFound, ResourceManager
from chalicelib.providers.base import RefusedError
from chalicelib.providers.extensions import Quota

LOG = logging.getLogger(__name__)

CORES = "StandardCores"  # of groups that are no Spot ones; 100 where nobody has asked for more
FRESH_SECONDS = 3600.0
MORE = "a support request of the kind Quota, for Container Instances, in Azure's portal (100 groups go with it)"


class Quotas:
    """Remembers them. Safe to call from many threads."""

    def __init__(self, manager: ResourceManager) -> None:
        self._manager = manager
        self._asking = threading.Lock()
        self._asked: float | None = None
        self._known: tuple[Quota, ...] = ()

    def get(self) -> tuple[Quota, ...]:
        """Return those that are known; what cannot be had now stays what it was."""
        with self._asking:
            if self._asked is None or time.monotonic() - self._asked >= FRESH_SECONDS:
                self._asked = time.monotonic()
                try:
                    limits = {
                        (each.get("name") or {}).get("value"): each.get("limit") for each in self._manager.usages()
                    }
                except (RefusedError, NotFound) as error:
                    LOG.info("azure: quotas are not known: %s", error)
                else:
                    cores = limits.get(CORES)
                    self._known = (Quota("on-demand", float(cores), MORE),) if cores else ()
            return self._known
