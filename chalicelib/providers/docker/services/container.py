"""The services container of a control plane: made once, told by a file, on its own from then on.

It has the first address of the tasks' network, the tasks' name server.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import archives, labels
from chalicelib.providers.docker.container_spec import HostContext
from chalicelib.providers.docker.containers import Containers
from chalicelib.providers.docker.engine import CONFLICT, Raw, reachable, unless_gone, words
from chalicelib.providers.docker.network import TaskNetwork
from chalicelib.providers.service_table import Forward, ServiceTable

LOG = logging.getLogger(__name__)

IMAGES = "sparkanywhere/spark"  # any has the Python that the program needs, but for those of Scala alone
WITHOUT_PYTHON = "-scala"
LOOK_SECONDS = 5.0  # between two looks for an image that is not there
FOLDER, TABLE = "/sparkanywhere", "/sparkanywhere/table.json"
# -I: whatever lies in the image's working directory is not for us to import
PROGRAM = (
    f"import runpy, sys; sys.path.insert(0, {FOLDER!r}); runpy.run_module('services.program', run_name='__main__')"
)
OWN_MACHINE = "control-plane"  # the name of the machine that the control plane runs on
PROGRAM_LABEL = "sparkanywhere.io/services-program"
MEMORY_BYTES = 256 * 1024 * 1024
SOURCES = ("__init__.py", "names.py", "program.py")


class ServicesContainer:
    """Makes and tells the container. Thread-safe; each call may be repeated.

    `image` is one with Python, "" for a Spark image of ours; with None there is no such container. `control_plane` is
    the address, or the engine's word for it, of the machine that the control plane runs on.
    """

    def __init__(
        self,
        containers: Containers,
        network: TaskNetwork,
        *,
        image: str | None,
        control_plane: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = containers.client
        self._id = containers.control_plane_id
        self.network = network.services
        self._place = network
        self._wanted = image
        self.control_plane = control_plane
        # elsewhere, in a virtual machine, connections come to our loopback by way of the engine
        self.proxy_addresses = (network.name_server,) if control_plane == network.gateway else ()
        self._monotonic = monotonic
        # read once: an upgrade may change the files under a server that runs
        self._sources = {name: Path(__file__).with_name(name).read_bytes() for name in SOURCES}
        self._lock = threading.Lock()  # of the container
        self._looking = threading.Lock()
        self._image = ""
        self._looked_at = -LOOK_SECONDS
        self.name = f"{network.name}-services"

    def image(self) -> str:
        """Return the image to run it by, "" where the engine has none: asked again after a while."""
        if self._image or self._wanted is None:
            return self._image
        with self._looking:
            if self._monotonic() - self._looked_at >= LOOK_SECONDS:
                self._looked_at = self._monotonic()
                with reachable():
                    found = self._client.images(name=self._wanted or IMAGES)
                tags = [tag for each in found for tag in each.get("RepoTags") or () if not tag.startswith("<none>")]
                fit = [tag for tag in tags if self._wanted or not tag.endswith(WITHOUT_PYTHON)]
                self._image = max(fit, default="")
            return self._image

    def problem(self) -> str:
        """Return why there is no services container, "" where there is an image for it."""
        wanted = self._wanted or f"{IMAGES}, which `sparkanywhere image` builds"
        return "" if self.image() else f"the engine has no image {wanted}, and SPARKANYWHERE_SERVICE_IMAGE names none"

    def seen_by(self, host: HostContext) -> HostContext:
        """Return the host as tasks that begin now see it: with a name server, the API at its service's address."""
        if not self.image():
            return host
        return replace(host, control_plane=str(self.network[1]), name_server=self._place.name_server)

    def publish(self, table: ServiceTable) -> None:
        """Hand the table over, to a container that is made where there is none. Raises ProviderUnavailable."""
        if not self.image():
            return
        table = for_control_plane(table, str(self.network[1]), announces=bool(self.proxy_addresses))
        content = json.dumps(asdict(table)).encode()
        try:
            with self._lock, reachable():
                self._ensure()
                self._client.put_archive(self.name, "/", archives.archive([archives.Entry(TABLE, content, 0o600)]))
        except docker.errors.APIError as error:
            raise ProviderUnavailable("ServicesUnavailable", words(error)) from error

    def remove(self) -> None:
        """Remove the container, if the engine answers; one that is needed again is made again."""
        if self._image:
            with suppress(ProviderUnavailable, docker.errors.APIError), self._lock, unless_gone():
                self._client.remove_container(self.name, force=True)

    def start_soon(self) -> None:
        """Have the container run, before there is anything to tell it: its start takes half a second."""
        if self._wanted is not None:
            threading.Thread(target=self._start, name="services-start", daemon=True).start()

    def _start(self) -> None:
        try:
            if self.image():
                with self._lock, reachable():
                    self._ensure()
        except (ProviderUnavailable, docker.errors.APIError) as error:
            LOG.warning("event=services-start-failed error=%s", error)  # publish() tries again

    def _ensure(self) -> None:
        content = b"".join(self._sources.values()) + self._place.name_server.encode()
        mark = hashlib.sha256(content).hexdigest()[:16]
        try:
            raw: Raw = self._client.inspect_container(self.name)
        except docker.errors.NotFound:
            raw = self._create(mark)
        if (raw["Config"].get("Labels") or {}).get(PROGRAM_LABEL) != mark:
            with unless_gone():
                self._client.remove_container(self.name, force=True)
            raw = self._create(mark)
        if not raw["State"]["Running"]:
            self._client.start(self.name)

    def _create(self, mark: str) -> Raw:
        network = self._place
        config = {
            "Image": self._image,
            "Entrypoint": ["python3", "-I", "-c", PROGRAM, TABLE, network.name_server, OWN_MACHINE],
            "User": "0",
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": labels.of_control_plane(self._id) | {labels.ROLE: "services", PROGRAM_LABEL: mark},
            "HostConfig": {
                "Init": True,
                "NetworkMode": network.name,
                "ExtraHosts": [f"{OWN_MACHINE}:{self.control_plane}"],
                "CapDrop": ["ALL"],
                "CapAdd": ["NET_ADMIN", "NET_BIND_SERVICE"],
                "SecurityOpt": ["no-new-privileges"],
                "Memory": MEMORY_BYTES,
                "RestartPolicy": {"Name": "on-failure"},
            },
            "NetworkingConfig": {
                "EndpointsConfig": {network.name: {"IPAMConfig": {"IPv4Address": network.name_server}}}
            },
        }
        try:
            made = self._client.create_container_from_config(config, self.name)["Id"]
        except docker.errors.APIError as error:
            if error.status_code != CONFLICT:
                raise
            made = self.name  # another server of this control plane was faster
        files = self._sources.items()
        entries = [archives.Entry(f"{FOLDER}/services/{name}", content, 0o600) for name, content in files]
        self._client.put_archive(made, "/", archives.archive(entries))
        raw: Raw = self._client.inspect_container(made)
        LOG.info("event=services-container name=%s image=%s", self.name, self._image)
        return raw


def for_control_plane(table: ServiceTable, address: str, *, announces: bool) -> ServiceTable:
    """Return the table with what is particular about the control plane's own service, at `address`.

    It has the control plane's own port, too, since pods know URLs with either, and may be told whose connections are.
    """
    forwards: list[Forward] = []
    for each in table.forwards:
        if each.address != address:
            forwards.append(each)
            continue
        ports = {each.port, *(port for _, port in each.backends)}
        forwards += [replace(each, port=port, announces=announces) for port in sorted(ports)]
    return replace(table, forwards=tuple(forwards))
