"""Run one Spark application against a control plane: submit it, follow its pods and its log, clear it away.

Threads only put events into one queue (the pods' watch, the driver's output, its Spark's REST API, the submitting
process); one loop processes them, so that nothing here needs a lock.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chalicelib.apimachinery.accessors import TERMINAL_PHASES
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import why_pending
from chalicelib.controllers.podmodel.start_phases import phase_under_way
from sparkanywhere.cli.driver_follower import DriverFollower, Output, SparkSaid
from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.cli.job_screen import JobScreen
from sparkanywhere.cli.program_output import ProgramOutput
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs.ending import mark_ended

BEGIN_SECONDS = 300.0  # for a driver to run: an image may have to be pulled, a machine may be busy
WATCH_SECONDS = 60.0  # of silence until a watch is opened anew
TICK_SECONDS = 0.1  # between two draws while nothing happens
RETRY_SECONDS = 0.2  # before a stream that broke is opened again
IMAGE_SECONDS = 60.0  # of a driver whose image cannot be had, until we give up: a registry may be down for a moment
# A container's reasons to wait, and whether another try may help. Kubernetes: pkg/kubelet/images/types.go.
NO_IMAGE = {"ErrImagePull": True, "ImagePullBackOff": True, "ErrImageNeverPull": False, "InvalidImageName": False}
GAVE_UP_SECONDS = 2.0  # between two looks at whether another driver comes
LOG_SECONDS = 10.0  # of silence until the rest of an ended driver's output is given up
GRACE_SECONDS = 5  # for pods that still run when we clear away
GONE_SECONDS = 15.0  # for all pods to be gone: the grace and the kill behind it
KEPT_LINES = 40  # of the driver's log, to show if it fails


class JobFailed(Failure):
    """The application did not run to its end; str() is one sentence."""


@dataclass(frozen=True, slots=True)
class PodEvent:
    """A pod as the watch gave it."""

    pod: JSON
    gone: bool


@dataclass(frozen=True, slots=True)
class Submitted:
    """The submitting process has ended."""

    exit_code: int


Event = PodEvent | Output | SparkSaid | Submitted


class JobRun:
    """One application from submission to the last pod gone, shown on a screen.

    `server_alive` returns whether the control plane still runs, `ui_link` where a port of a pod can be opened, ""
    where it cannot; `ui_port` is that of the driver's UI, 0 where there is none.
    """

    def __init__(
        self,
        client: KubeClient,
        job: JobProgress,
        screen: JobScreen,
        *,
        submit_log: Path,
        server_alive: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
        output: ProgramOutput,
        ui_port: int = 0,
        ui_link: Callable[[JSON, int], str] = lambda _pod, _port: "",
        namespace: str = "default",
        selector: str = "",
    ) -> None:
        self._client = client
        self._job = job
        self._screen = screen
        self._submit_log = submit_log
        self._server_alive = server_alive
        self._clock = clock
        self._output = output
        self._namespace = namespace
        self._query = {"labelSelector": selector} if selector else {}
        self._events: queue.Queue[Event] = queue.Queue()
        self._stop = threading.Event()
        self._follower = DriverFollower(
            client, self._events.put, self._has_ended, self._stop, ui_port=ui_port, ui_link=ui_link
        )
        self._submit: subprocess.Popen[bytes] | None = None
        self._is_clearing = False  # a spark-submit that ends now was ended by us
        self._waits: set[str] = set()  # for what pods were said to wait
        self._no_image: dict[str, float] = {}  # driver -> since when its image has been wanting
        self._followed = ""  # the pod whose output is followed
        self._open_streams: set[str] = set()  # those of its streams that have not ended
        self.last_lines: list[str] = []
        self.last_pods: dict[str, JSON] = {}  # by name, as last seen
        self.gone_pods: set[str] = set()  # names of those that were deleted

    def run(self, command: list[str], environ: dict[str, str]) -> None:
        """Submit, and follow until the driver has ended. Raises JobFailed if it never began."""
        threading.Thread(target=self._watch_pods, name="watch", daemon=True).start()
        with self._submit_log.open("wb") as log:
            self._submit = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self._submit
        threading.Thread(target=lambda: self._events.put(Submitted(process.wait())), daemon=True).start()
        self._follow()

    def _follow(self, gave_up: Callable[[], bool] = lambda: False) -> None:
        begin_by = self._clock() + BEGIN_SECONDS
        ask_at = 0.0
        while not self._job.is_over:
            self._process_events(TICK_SECONDS)
            if not self._server_alive():
                raise JobFailed("The control plane ended while the job ran.")
            if "driver" not in self._job.ends and self._clock() > begin_by:
                raise JobFailed(f"No driver ran within {BEGIN_SECONDS:.0f} s. {self._why_not_begun()}")
            self._check_image()
            driver = self._job.driver
            is_between_attempts = driver is not None and driver.phase in TERMINAL_PHASES
            if is_between_attempts and self._clock() >= ask_at:
                ask_at = self._clock() + GAVE_UP_SECONDS
                if gave_up():
                    break
        deadline = self._clock() + LOG_SECONDS
        while self._open_streams and self._clock() < deadline:
            if self._process_events(TICK_SECONDS):
                deadline = self._clock() + LOG_SECONDS

    def _why_not_begun(self) -> str:
        """Return in which phase the start stands, and the last that was said of it."""
        driver = self.last_pods[self._job.driver.name] if self._job.driver else None
        why = why_pending(driver) if driver else ""
        if not why:
            events = self._client.get(self._path("events"))["items"]
            name = driver["metadata"]["name"] if driver else ""
            mine = [each for each in events if not name or (each.get("involvedObject") or {}).get("name") == name]
            why = mine[-1].get("message", "") if mine else "" if driver else _last_line(self._submit_log)
        return f"It stands in the phase {phase_under_way(driver)}" + (f": {why}" if why else ".")

    def _check_image(self) -> None:
        """Raise JobFailed if the driver's image cannot be had."""
        driver = self._job.driver
        why = why_pending(self.last_pods[driver.name]) if driver else ""
        reason = why.partition(":")[0]
        if driver is None or reason not in NO_IMAGE:
            return
        since = self._no_image.setdefault(driver.name, self._clock())
        if not NO_IMAGE[reason] or self._clock() - since >= IMAGE_SECONDS:
            raise JobFailed(f"The driver's image cannot be had: {why}")

    def follow(self, submit: Callable[[], object], gave_up: Callable[[], bool] = lambda: False) -> None:
        """Submit by a call of the API, and follow until the driver has ended. Raises JobFailed.

        `gave_up` returns whether no more drivers come, though more would be allowed.
        """
        threading.Thread(target=self._watch_pods, name="watch", daemon=True).start()
        submit()
        self._follow(gave_up)

    def finish(self) -> None:
        """Stop following; what has been seen stays. May be repeated."""
        self._stop.set()
        self._drain()

    def delete(self, path: str, why: str = "") -> None:
        """Delete the driver's pod or Job, and with it all that it owns; one that is gone is fine.

        `why` is the cause to tell of a driver that this ends.
        """
        driver = self._job.driver
        if why and driver:
            mark_ended(self._client, self._namespace, driver.name, why)
        with contextlib.suppress(ApiError, ApiUnreachable):
            self._client.delete(path, gracePeriodSeconds=str(GRACE_SECONDS), propagationPolicy="Background")

    def _path(self, resource: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/{resource}"

    def clear_away(self) -> bool:
        """End whatever still runs and delete every pod; return whether all are gone. May be repeated."""
        self._is_clearing = True
        if self._submit is not None and self._submit.poll() is None:
            self._submit.send_signal(signal.SIGKILL)
            self._submit.wait()
        gone = False
        with contextlib.suppress(ApiError, ApiUnreachable):
            self._client.delete(self._path("pods"), gracePeriodSeconds=str(GRACE_SECONDS))
            deadline = self._clock() + GONE_SECONDS
            while not (gone := not self._client.get(self._path("pods"))["items"]):
                if self._clock() > deadline:
                    break
                self._process_events(TICK_SECONDS)
        self._job.end("clean-up", self._clock())
        self._stop.set()
        self._drain()
        return gone

    def _has_ended(self, pod: str) -> bool:
        seen = self._job.pods[pod]
        return seen.gone or seen.phase in TERMINAL_PHASES

    def _process_events(self, seconds: float) -> bool:
        """Wait at most `seconds` for an event, process all there are, and redraw; return whether there were any."""
        try:
            self._process(self._events.get(timeout=seconds))
        except queue.Empty:
            return False
        finally:
            self._drain()
        return True

    def _drain(self) -> None:
        while not self._events.empty():
            self._process(self._events.get_nowait())
        self._screen.update(self._clock())

    def _process(self, event: Event) -> None:
        match event:
            case PodEvent():
                name = event.pod["metadata"]["name"]
                self._job.observe_pod(event.pod, self._clock(), gone=event.gone)
                why = why_pending(event.pod)
                if why and why not in self._waits:  # once, however many pods wait for it
                    self._waits.add(why)
                    self._screen.print_line(f"{name} waits: {why}")
                self.last_pods[name] = event.pod
                (self.gone_pods.add if event.gone else self.gone_pods.discard)(name)
                driver = self._job.driver
                if driver and driver.phase != "Pending" and driver.name != self._followed:
                    self._followed = driver.name
                    self._open_streams = set(self._follower.follow(self.last_pods[driver.name]))
            case Output(pod=pod, stream=stream, piece=piece):
                if piece is None and pod == self._followed:
                    self._open_streams.discard(stream)
                lines = self._output.end(stream) if piece is None else self._output.take(stream, piece)
                for line in lines:
                    self._job.observe_line(line, self._clock())
                self.last_lines = [*self.last_lines, *lines][-KEPT_LINES:]
            case SparkSaid(progress=progress, link=link):
                self._job.observe_spark(progress, self._clock())
                if link:
                    self._screen.link(link)
            case Submitted(exit_code=code):
                if code and not self._is_clearing:
                    raise JobFailed(f"spark-submit failed: {_last_line(self._submit_log)}")

    def _watch_pods(self) -> None:
        """Queue pod events until stopped; a watch that ends is opened again."""
        while not self._stop.is_set():
            try:
                for event in self._client.watch(self._path("pods"), seconds=WATCH_SECONDS, **self._query):
                    if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                        self._events.put(PodEvent(event["object"], gone=event["type"] == "DELETED"))
                    if self._stop.is_set():
                        return
            except (ApiError, ApiUnreachable):
                self._stop.wait(RETRY_SECONDS)


def _last_line(log: Path) -> str:
    if not log.is_file():
        return ""  # nobody ran spark-submit
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Exception" in line or "Error" in line or " ERROR " in line]
    return (errors or lines or ["it printed nothing"])[-1].strip()
