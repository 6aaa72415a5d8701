"""The one network of a control plane, and who has which address in it.

Addresses are handed out by us, before a container exists, since a task wants to know its own at its first
instruction. The engine keeps the last part of the subnet for containers that ask for none; the third quarter is the
services', and the first address their name server's.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import socket
import threading

import docker
import docker.errors
from docker.types import IPAMConfig, IPAMPool

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import labels, pause_image
from chalicelib.providers.docker.engine import CONFLICT, Client, Raw, is_local, reachable, unless_gone, words
from chalicelib.system import IS_MAC

SUBNETS = "10.201.0.0/16"  # seldom used at home, in offices and by clouds' defaults
PREFIX_LENGTH = 20  # 4,096 addresses each, 16 control planes on one engine
ENGINE_PREFIX_LENGTH = 24  # the part the engine may hand out itself
IN_USE = ("overlap", "is already used")  # of Docker's and of Podman's refusal of a subnet
BRIDGE_OPTION = "com.docker.network.bridge.name"


class TaskNetwork:
    """The network `sparkanywhere-<id>`: make or find it, take and give back addresses. Thread-safe."""

    def __init__(self, client: Client, control_plane_id: str, *, subnets: str = SUBNETS) -> None:
        self.name = f"sparkanywhere-{labels.NOT_IN_NAMES.sub('-', control_plane_id)}"
        self.gateway = self.name_server = ""
        self.services = ipaddress.IPv4Network("0.0.0.0/32")  # known by ensure()
        self._client = client
        self._control_plane_id = control_plane_id
        self._subnets = ipaddress.IPv4Network(subnets)
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._first = self._last = self._next = 0

    @property
    def bridge(self) -> str:
        """Name of the host's interface, for a firewall rule: always the same for one control plane."""
        return "sa-" + hashlib.sha256(self._control_plane_id.encode()).hexdigest()[:8]

    def ensure(self) -> None:
        """Find the network or create it; repeatable. Raises ProviderUnavailable."""
        with reachable():
            try:
                raw = self._find() or self._create()
            except docker.errors.APIError as error:
                message = f"Cannot make the network {self.name}: {words(error)}"
                raise ProviderUnavailable("NetworkUnavailable", message) from error
        config = raw["IPAM"]["Config"][0]
        subnet = ipaddress.IPv4Network(config["Subnet"])
        self.gateway = config.get("Gateway", "").partition("/")[0] or str(subnet[1])
        self.name_server = str(subnet[2])
        self.services = list(subnet.subnets(prefixlen_diff=2))[2]
        with self._lock:
            self._first = int(subnet[3])
            self._last = int(_engine_range(subnet)[0]) - 1
            self._next = max(self._next, self._first)

    def is_reached(self, info: Raw) -> bool:
        """Return whether this machine has the gateway's address; `info` is what the engine says of itself.

        Docker's engine makes the network's bridge with the network, Podman with the first container there: on this
        machine one is started that holds it up, so that a server can listen there before any task. Where the bridge
        is in a virtual machine, or in the namespace of a rootless engine, it is for nothing and goes again.
        """
        if is_ours(self.gateway):
            return True
        if not is_local(self._client) or IS_MAC or "name=rootless" in info.get("SecurityOptions", ()):
            return False
        try:
            with reachable():
                self._start_anchor()
        except docker.errors.APIError as error:
            raise ProviderUnavailable("NetworkUnavailable", f"{self.name}: {words(error)}") from error
        if found := is_ours(self.gateway):
            return found
        self.let_down()
        return False

    def _start_anchor(self) -> None:
        config = {
            "Image": pause_image.NAME,
            "Labels": labels.of_control_plane(self._control_plane_id) | {labels.ROLE: "anchor"},
            "HostConfig": {"Init": True, "NetworkMode": self.name},
        }
        try:
            self._client.create_container_from_config(config, self._anchor)
        except docker.errors.APIError as error:
            if error.status_code != CONFLICT:  # an earlier server has left it
                raise
        self._client.start(self._anchor)

    def let_down(self) -> None:
        """Remove what holds the bridge up, if the engine answers; repeatable."""
        with contextlib.suppress(ProviderUnavailable, docker.errors.APIError), unless_gone():
            self._client.remove_container(self._anchor, force=True)

    @property
    def _anchor(self) -> str:
        return f"{self.name}-bridge"

    def _find(self) -> Raw | None:
        wanted = f"{labels.CONTROL_PLANE}={self._control_plane_id}"
        for network in self._client.networks(names=[self.name], filters={"label": wanted}):
            if network["Name"] == self.name:
                raw: Raw = self._client.inspect_network(network["Id"])
                return raw
        return None

    def _create(self) -> Raw:
        """Create the network in the first subnet that the engine has not given away."""
        candidates = list(self._subnets.subnets(new_prefix=max(PREFIX_LENGTH, self._subnets.prefixlen)))
        refusal: docker.errors.APIError | None = None
        for subnet in candidates:
            pool = IPAMPool(subnet=str(subnet), iprange=str(_engine_range(subnet)), gateway=str(subnet[1]))
            try:
                self._client.create_network(
                    self.name,
                    driver="bridge",
                    check_duplicate=True,
                    ipam=IPAMConfig(pool_configs=[pool]),
                    labels=labels.of_control_plane(self._control_plane_id),
                    options={BRIDGE_OPTION: self.bridge},
                )
            except docker.errors.APIError as error:
                if not any(word in words(error).lower() for word in IN_USE):
                    raise
                refusal = error
                continue
            return self._find() or {}
        message = f"No free subnet in {self._subnets} for the network {self.name}: {refusal}"
        raise ProviderUnavailable("NetworkUnavailable", message)

    def take(self) -> str:
        """Return an address that nobody has had for long. Raises ProviderUnavailable if there is none."""
        with self._lock:
            size = self._last - self._first + 1
            for step in range(size):
                candidate = self._first + (self._next - self._first + step) % size
                if candidate not in self._taken and ipaddress.IPv4Address(candidate) not in self.services:
                    self._taken.add(candidate)
                    self._next = candidate + 1
                    return str(ipaddress.IPv4Address(candidate))
        raise ProviderUnavailable("NoAddress", f"All addresses of the network {self.name} are taken.")

    def hold(self, address: str) -> None:
        """Note that a running task has this address."""
        with self._lock:
            number = int(ipaddress.IPv4Address(address))
            self._taken.add(number)
            if self._first <= number <= self._last:
                self._next = max(self._next, number + 1)

    def give_back(self, address: str) -> None:
        """Note that nobody has this address any more; repeatable."""
        with self._lock:
            self._taken.discard(int(ipaddress.IPv4Address(address)))


def _engine_range(subnet: ipaddress.IPv4Network) -> ipaddress.IPv4Network:
    """Return the last part of the subnet."""
    length = max(ENGINE_PREFIX_LENGTH, subnet.prefixlen + 1)
    return list(subnet.subnets(new_prefix=length))[-1]


def is_ours(address: str) -> bool:
    """Return whether this machine has the address."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
