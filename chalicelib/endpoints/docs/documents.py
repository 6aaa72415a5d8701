"""Documents: discovery and OpenAPI of all that is served now, custom resources included."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from chalicelib.endpoints.docs.discovery import Discovery
from chalicelib.endpoints.docs.openapi import OpenApi
from chalicelib.registry.strategy import Strategy
from chalicelib.resources.custom.custom_registries import CustomRegistries


class Documents:
    """Keeps what was made of the strategies until a CustomResourceDefinition changes."""

    def __init__(self, strategies: Sequence[Strategy], custom: CustomRegistries) -> None:
        self._built_in = list(strategies)
        self._custom = custom
        self._lock = threading.Lock()
        self._mark: tuple[tuple[str, int], ...] = ()
        self._discovery, self._openapi = Discovery(self._built_in), OpenApi(self._built_in)

    def discovery(self) -> Discovery:
        """Return the discovery of now."""
        self._refresh()
        return self._discovery

    def openapi(self) -> OpenApi:
        """Return the OpenAPI documents of now."""
        self._refresh()
        return self._openapi

    def _refresh(self) -> None:
        mark = self._custom.mark()
        with self._lock:
            if mark == self._mark:
                return
            strategies = [*self._built_in, *(registry.strategy for registry in self._custom.all())]
            self._discovery, self._openapi = Discovery(strategies), OpenApi(strategies)
            self._mark = mark
