"""What comes from a driver that runs: what it prints, and how far its Spark is. Each on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers import registry
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient, log_path
from sparkanywhere.jobs.spark_rest import SparkProgress, SparkRest

FOLLOW_SECONDS = 60.0  # of silence until a stream is opened anew
RETRY_SECONDS = 0.2  # before a stream that could not be had is asked for again
END_LOOKS, END_LOOK_SECONDS = 10, 0.02  # for a pod's end once its stream has ended, else that is opened again
# Until Spark is asked at all: its first answer takes the driver 1.8 processor seconds (4.3.0), all of SparkPi 4.5, and
# on two processors that meets the start of executors or a short job
FIRST_ASK_SECONDS = 15.0
FIRST_POLL_SECONDS = 0.5  # between two looks at how far Spark is until it has tasks: executors come and go unseen else,
POLL_SECONDS = 1.0  # and from then on
POLL_SHARE = 10  # times as long as the last one took is the pause, so that a busy driver is asked less often,
LONGEST_PAUSE_SECONDS = 5.0  # but no longer than this
MERGED = "All"


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of what a driver prints to a stream (Stdout, Stderr, or All where they are one); None at its end."""

    pod: str
    stream: str
    piece: bytes | None


@dataclass(frozen=True, slots=True)
class SparkSaid:
    """How far the driver's Spark is, None where that cannot be asked, and where its UI can be opened."""

    progress: SparkProgress | None
    link: str = ""


class DriverFollower:
    """Hands what comes from drivers to `put`, until they have ended or `stop` is set."""

    def __init__(
        self,
        client: KubeClient,
        put: Callable[[Output | SparkSaid], None],
        has_ended: Callable[[str], bool],
        stop: threading.Event,
        *,
        ui_port: int,
        ui_link: Callable[[JSON, int], str],
        first_ask_seconds: float = FIRST_ASK_SECONDS,
    ) -> None:
        self._client = client
        self._put = put
        self._has_ended = has_ended
        self._stop = stop
        self._ui_port = ui_port
        self._ui_link = ui_link
        self._first_ask_seconds = first_ask_seconds

    def follow(self, pod: JSON) -> Sequence[str]:
        """Follow a driver's pod that has begun; return the streams whose end will be told."""
        provider = registry.of_node(str(spec_of(pod).get("nodeName", "")))
        streams = ("Stdout", "Stderr") if provider and provider.splits_output else (MERGED,)
        for stream in streams:
            threading.Thread(target=self._bring_output, args=(pod, stream), name=stream, daemon=True).start()
        threading.Thread(target=self._ask_spark, args=(pod,), name="spark", daemon=True).start()
        return streams

    def _bring_output(self, pod: JSON, stream: str) -> None:
        """Bring a stream in pieces; one that breaks goes on where it broke."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        query = {} if stream == MERGED else {"stream": stream}
        taken = 0
        ended = False
        while not (ended or self._stop.is_set()):
            ended = self._has_ended(name)  # before the stream: one read after the end has all of it
            at = 0
            try:
                for piece in self._client.raw_log(log_path(namespace, name), follow_seconds=FOLLOW_SECONDS, **query):
                    at += len(piece)
                    if at > taken:
                        self._put(Output(name, stream, piece[taken - at :]))
                        taken = at
            except ApiError:
                self._stop.wait(RETRY_SECONDS)
            except ApiUnreachable:  # for a moment, as far as one knows
                ended = self._stop.wait(RETRY_SECONDS)
            for _ in range(END_LOOKS):  # the end of a stream may be known before that of the pod
                if self._has_ended(name) or self._stop.wait(END_LOOK_SECONDS):
                    break
        self._put(Output(name, stream, None))

    def _ask_spark(self, pod: JSON) -> None:
        spark = SparkRest(self._client, pod, port=self._ui_port)
        link = ""
        self._stop.wait(0 if spark.is_refused else self._first_ask_seconds)
        while not (spark.is_refused or self._stop.is_set() or self._has_ended(pod["metadata"]["name"])):
            asked_at = time.monotonic()
            said = spark.ask()
            if said is not None:
                link = link or self._ui_link(pod, spark.port)
                self._put(SparkSaid(said, link))
            pause = POLL_SHARE * (time.monotonic() - asked_at)
            least = POLL_SECONDS if said and said.tasks else FIRST_POLL_SECONDS
            self._stop.wait(min(max(least, pause), LONGEST_PAUSE_SECONDS))
        if spark.is_refused:
            self._put(SparkSaid(None))
