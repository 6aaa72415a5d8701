"""ServiceController: keeps the API's own Service, and tells the provider which names and addresses lead to which pods.

The table is made from what is stored, all of it at each time, so that it does not matter who changed what, or whether
another server did. Changes that this process sees are told at once, all others by the chores.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from urllib.parse import urlsplit

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.runtime.background import Later
from chalicelib.controllers.runtime.objects import DeleteObject, paged
from chalicelib.controllers.translation.network import API_PORT, API_PORT_NAME
from chalicelib.controllers.translation.service_table import SERVICE_LABEL, service_table, wanted_labels
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.service_table import Services
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.registry import Registry
from chalicelib.resources.network.service_addresses import API_SERVICE, SERVICE_NETWORK
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key

WRITER = WriteOptions(field_manager="sparkanywhere")
NAMESPACE = "default"
SLICES = "endpointslices"
FIRST_PAUSE_SECONDS = 0.02  # what changes together is told together
REST_FACTOR = 5  # a pause is so many times what making the table took: a large store keeps its CPU for others
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlace:
    """Where the API is: the network that Services have addresses of, and the URL that leads to this server."""

    network: IPv4Network | None
    url: Callable[[], str]


class ServiceController:
    """See the module. Safe to call from many threads, and to repeat."""

    def __init__(
        self,
        *,
        storage: Storage,
        index: PodIndex,
        registries: Mapping[tuple[str, str], Registry],
        delete: DeleteObject,
        services: Services | None,
        place: ServicePlace,
        later: Later,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._index = index
        self._registries = registries
        self._delete = delete
        self._services = services
        self._place = place
        self._later = later
        self._monotonic = monotonic
        self._guard = threading.Lock()  # of whether a table is queued
        self._telling = threading.Lock()  # so that of two tables the newer one comes last
        self._is_queued = False
        self._rest_until = 0.0
        self._told_revision = -1
        self._wanted: frozenset[tuple[str, str, str]] = frozenset()  # labels that Services select by

    def changed(self, resource: str, obj: JSON) -> None:
        """Take in that a Service, or an object that says who is behind one, was written or removed."""
        del resource
        if self._services is not None and obj["metadata"].get("namespace") is not None:
            self._tell_soon()

    def pod_changed(self, _: str, pod: JSON) -> None:
        """Take in that a pod was written or removed; one that no Service is known to select makes no difference."""
        namespace = pod["metadata"].get("namespace", "")
        if any((namespace, *label) in self._wanted for label in labels_of(pod).items()):
            self._tell_soon()

    def keep(self) -> None:
        """Make the API's Service and its EndpointSlice true, and tell the provider everything anew."""
        self._keep_api_service()
        if self._services is not None:
            self._tell()

    def catch_up(self) -> None:
        """Tell the provider what other processes have written since it was last told. Cheap if there is nothing."""
        if self._services is not None and self._storage.revision() != self._told_revision:
            self._tell()

    def _tell_soon(self) -> None:
        with self._guard:
            if self._is_queued:
                return
            self._is_queued = True
        pause = max(FIRST_PAUSE_SECONDS, self._rest_until - self._monotonic())
        self._later(self._tell_queued, delay_seconds=pause)

    def _tell_queued(self) -> None:
        with self._guard:
            self._is_queued = False  # before the store is read: what is written from now on queues anew
        self._tell()

    def _tell(self) -> None:
        with self._telling:
            began = self._monotonic()
            self._tell_all()
            now = self._monotonic()
        self._rest_until = now + REST_FACTOR * (now - began)

    def _tell_all(self) -> None:
        assert self._services is not None  # nobody else calls this
        revision = self._storage.revision()
        services = [item.object() for item in paged(self._storage, "services")]
        pods = self._index.look().unfinished
        table = service_table(
            services,
            (pod.object() for pod in pods if '"podIP"' in pod.json and not pod.ending),
            (item.object() for item in paged(self._storage, SLICES)),
            network=self._place.network,
            revision=revision,
        )
        self._wanted = frozenset(wanted_labels(services))
        self._told_revision = revision
        try:
            self._services.publish(table)
        except ProviderUnavailable:
            self._told_revision = -1  # the next chore tries again

    def _keep_api_service(self) -> None:
        url = urlsplit(self._place.url())
        if not url.hostname:
            return  # known only once a request has come in
        address = str((self._place.network or SERVICE_NETWORK)[1])
        self._keep_object(("", "services"), api_service(address), "spec.clusterIP")
        port = url.port or HTTPS_PORT
        self._keep_object(("discovery.k8s.io", SLICES), api_slice(url.hostname, port), "addressType")

    def _keep_object(self, kind: tuple[str, str], wanted: JSON, fixed: str) -> None:
        """Have the object as it is wanted; one whose field `fixed`, which nobody may change, differs is made anew."""
        registry, name = self._registries[kind], wanted["metadata"]["name"]
        try:
            found = self._storage.get(object_key(kind[1], NAMESPACE, name)).object()
        except KeyNotFound:
            registry.create_if_missing(NAMESPACE, wanted, WRITER)
            return
        if _field(found, fixed) != _field(wanted, fixed):
            self._delete(kind[1], NAMESPACE, name, uid=found["metadata"]["uid"])
            registry.create_if_missing(NAMESPACE, wanted, WRITER)
        elif any(found.get(part) != wanted.get(part) for part in ("endpoints", "ports") if part in wanted):
            registry.update(NAMESPACE, name, {**found, **wanted, "metadata": found["metadata"]}, WRITER)


def _field(obj: JSON, path: str) -> object:
    head, _, rest = path.partition(".")
    return _field(obj.get(head) or {}, rest) if rest else obj.get(head)


def api_service(address: str) -> JSON:
    """Return the Service of the API itself, as every cluster has it."""
    port = {"name": API_PORT_NAME, "port": API_PORT, "protocol": "TCP", "targetPort": API_PORT}
    labels = {"component": "apiserver", "provider": "kubernetes"}
    spec = {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ports": [port]}
    return {"metadata": {"name": API_SERVICE, "labels": labels}, "spec": spec}


def api_slice(host: str, port: int) -> JSON:
    """Return the EndpointSlice of that Service: a server's address, or the name of one that is not here."""
    kind = "FQDN"
    with suppress(ValueError):
        kind = f"IPv{ip_address(host).version}"
    return {
        "metadata": {"name": API_SERVICE, "labels": {SERVICE_LABEL: API_SERVICE}},
        "addressType": kind,
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        "ports": [{"name": API_PORT_NAME, "port": port, "protocol": "TCP"}],
    }
