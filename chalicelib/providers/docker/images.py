"""Fetch images that are not there, and say how it goes in Kubernetes' words.

One pull per image and login, however many tasks wait for it. A failed one is repeated with a growing pause
until nobody waits: ErrImagePull first, then ImagePullBackOff, as a kubelet does it (10 s doubling to 300 s).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import docker
import docker.auth
import docker.errors
import docker.utils

from chalicelib.providers.base import PULLING, Fetch, ProviderUnavailable, RegistryLogin
from chalicelib.providers.docker.engine import Client, Raw, reachable, words
from chalicelib.providers.docker.task_state import Wait

LOG = logging.getLogger(__name__)

OUR_IMAGES = "sparkanywhere/"  # built here, in no registry: asking one would only give a puzzling answer
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
AT_ONCE = 3  # pulls share one line and one disk
REPORT_SECONDS = 1.0  # between two words on progress
MIB = 1024 * 1024
DEFAULT_REGISTRIES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


@dataclass
class Pull:
    """One image on its way: who waits, and whether it is there."""

    image: str
    login: RegistryLogin | None = None
    anew: bool = False
    waiting: set[str] = field(default_factory=set)
    wake: threading.Event = field(default_factory=threading.Event)


Key = tuple[str, str, bool]  # image, user, whether to ask the registry in any case


class Images:
    """The engine's images: ask for one to be there. Thread-safe.

    `on_wait(uid, image, wait)` is called with each news, `on_ready(uid, image, fetch)` when the image is there; both
    from threads of this class.
    """

    def __init__(
        self,
        client: Client,
        *,
        on_wait: Callable[[str, str, Wait], None],
        on_ready: Callable[[str, str, Fetch], None],
        clock: Callable[[], datetime],
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self._client = client
        self._on_wait = on_wait
        self._on_ready = on_ready
        self._clock = clock
        self._first_pause_seconds = first_pause_seconds
        self._lock = threading.Lock()
        self._pulls: dict[Key, Pull] = {}
        self._places = threading.Semaphore(AT_ONCE)
        self._closed = False

    def is_present(self, image: str) -> bool:
        """Return whether the engine has the image. Raises ProviderUnavailable."""
        with reachable():
            try:
                self._client.inspect_image(image)
            except docker.errors.NotFound:
                return False
            except docker.errors.APIError as error:
                raise ProviderUnavailable("ImageInspectError", words(error)) from error
        return True

    def want(self, uid: str, image: str, logins: Sequence[RegistryLogin], *, anew: bool = False) -> None:
        """Begin, or join, the pull of an image; on_ready tells when it is there. Returns at once.

        `anew` asks the registry also where the engine has the image.
        """
        login = find_login(image, logins)
        key = (image, login.username if login else "", anew)
        with self._lock:
            pull = self._pulls.get(key)
            if pull is not None:
                pull.waiting.add(uid)
                return
            pull = self._pulls[key] = Pull(image=image, login=login, anew=anew, waiting={uid})
        threading.Thread(target=self._work, args=(key, pull), name=f"pull-{image}", daemon=True).start()

    def drop(self, uid: str) -> None:
        """Forget that a task waits."""
        with self._lock:
            for pull in self._pulls.values():
                pull.waiting.discard(uid)
                if not pull.waiting:
                    pull.wake.set()

    def close(self) -> None:
        """Let go of all pulls; those under way end with their thread, which nobody waits for."""
        with self._lock:
            self._closed = True
            for pull in self._pulls.values():
                pull.waiting.clear()
                pull.wake.set()

    def _work(self, key: Key, pull: Pull) -> None:
        pause = self._first_pause_seconds
        while True:
            self._tell(pull, Wait(message=f'{PULLING} "{pull.image}"'))
            failure, seconds = self._attempt(pull)
            with self._lock:
                if self._closed or not pull.waiting or failure is None:
                    self._pulls.pop(key, None)
                    ready = set() if self._closed or failure else set(pull.waiting)
                    break
            self._tell(pull, Wait("ErrImagePull", failure))
            if not pull.wake.wait(min(1.0, pause / 2)):  # both reasons are seen, as with a kubelet
                message = f'Back-off pulling image "{pull.image}": {failure}'
                self._tell(pull, Wait("ImagePullBackOff", message))
            pull.wake.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        size_bytes = 0
        if not ready:
            return
        with contextlib.suppress(docker.errors.APIError, ProviderUnavailable), reachable():
            size_bytes = int(self._client.inspect_image(pull.image).get("Size") or 0)
        for uid in ready:
            self._on_ready(uid, pull.image, Fetch(seconds, size_bytes=size_bytes))

    def _attempt(self, pull: Pull) -> tuple[str | None, float]:
        """Pull once, unless the image has come another way; return None, or what went wrong, and the seconds."""
        ours = pull.image.startswith(OUR_IMAGES)
        try:
            if (ours or not pull.anew) and self.is_present(pull.image):
                return None, 0.0
        except ProviderUnavailable as error:
            return error.message, 0.0
        if ours:
            version = pull.image.partition(":")[2]
            return f"No image {pull.image} here: build it with `sparkanywhere image {version}`.", 0.0
        began = self._clock()
        failure = self._pull(pull)
        return failure, (self._clock() - began).total_seconds()

    def _pull(self, pull: Pull) -> str | None:
        """Ask the registry; return None, or the engine's words on what went wrong."""
        login = pull.login
        auth = {"username": login.username, "password": login.password} if login else None
        repository, tag = docker.utils.parse_repository_tag(pull.image)
        try:
            with self._places, reachable():
                progress = Progress()
                last = self._clock()
                for line in self._client.pull(
                    repository, tag=tag or "latest", stream=True, decode=True, auth_config=auth
                ):
                    if "error" in line:
                        return str(line["error"])
                    progress.add(line)
                    if (self._clock() - last).total_seconds() >= REPORT_SECONDS:
                        last = self._clock()
                        self._tell(pull, Wait(message=f'{PULLING} "{pull.image}": {progress}'))
        except docker.errors.APIError as error:
            return words(error)
        except ProviderUnavailable as error:
            return error.message
        return None

    def _tell(self, pull: Pull, wait: Wait) -> None:
        with self._lock:
            waiting = list(pull.waiting)
        for uid in waiting:
            self._on_wait(uid, pull.image, wait)


class Progress:
    """Adds up the engine's lines on one pull; str() is for people."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._done: set[str] = set()

    def add(self, line: Raw) -> None:
        """Take one line of the engine's answer in."""
        layer, status, detail = line.get("id", ""), line.get("status"), line.get("progressDetail") or {}
        if status == "Downloading" and "total" in detail:
            self._layers[layer] = (detail.get("current", 0), detail["total"])
        elif status in ("Pulling fs layer", "Pull complete", "Already exists"):
            self._layers.setdefault(layer, (0, 0))
            if status != "Pulling fs layer":
                self._done.add(layer)

    def __str__(self) -> str:
        current = sum(done for done, _ in self._layers.values()) // MIB
        total = sum(size for _, size in self._layers.values()) // MIB
        return f"{len(self._done)} of {len(self._layers)} layers, {current} of {total} MiB"


def find_login(image: str, logins: Sequence[RegistryLogin]) -> RegistryLogin | None:
    """Return the login for the registry that `image` names, None if there is none."""
    registry, _ = docker.auth.resolve_repository_name(docker.utils.parse_repository_tag(image)[0])
    for login in logins:
        host = login.registry.removeprefix("https://").removeprefix("http://").partition("/")[0]
        if host == registry or {host, registry} <= DEFAULT_REGISTRIES:
            return login
    return None
