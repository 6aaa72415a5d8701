"""Steps about the real API Gateway in front of the API, which no emulator stands for."""

from __future__ import annotations

import gzip
import json
import threading
import time

from chalicelib.endpoints.http.requests import STREAM_PATH
from sparkanywhere.aws.smoke.ground import Exchange, Ground, expect
from sparkanywhere.aws.smoke.outcome import StepFailed
from sparkanywhere.aws.smoke.recorder import headers_of
from sparkanywhere.aws.smoke.step import step
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient

APPLY = {"Content-Type": "application/apply-patch+yaml"}
LABEL = "smoke.sparkanywhere.io/name"
LASTING_SECONDS = 62.0  # longer than two answers of the gateway's
ASK_AGAIN_SECONDS, ANSWER_SECONDS = 10, 30.0  # how long an answer may take, and how long the event
STREAM_SECONDS = 20  # until such an answer ends
WATCHES, WATCH_SECONDS, GATEWAY_SECONDS = 20, 25, 29.0
PROTOBUF, GZIP = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", b"\x1f\x8b"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "c21va2Utb2YtdGhlLWRheQ==",
    "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
}


@step("apply", usd=0.0, minutes=0.2)
def apply(ground: Ground) -> str:
    """Try server-side apply through the gateway."""
    target = f"{ground.path('configmaps')}/applied?fieldManager=smoke"
    found = []
    for text in ("one", "two"):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied", "labels": {LABEL: "applied"}}}
        found.append(ground.call("PATCH", target, body={**body, "data": {"text": text}}, headers=APPLY))
    statuses = [each.status for each in found]
    expect(statuses == [201, 200], f"server-side apply answers {statuses}: {found[-1].text[:200]}")
    return "server-side apply creates and changes"


@step("watch", usd=0.0, minutes=0.2)
def watch(ground: Ground) -> str:
    """Try a watch: it is answered with what has happened."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "watched"}}
    revision = ground.call("GET", ground.path("configmaps")).json()["metadata"]["resourceVersion"]
    ground.create("configmaps", body)
    began = time.monotonic()
    query = f"watch=1&resourceVersion={revision}&timeoutSeconds=5"
    answer = ground.call("GET", f"{ground.path('configmaps')}?{query}")
    kinds = [json.loads(line)["type"] for line in answer.text.splitlines() if line.strip()]
    expect(answer.status == 200 and "ADDED" in kinds, f"the watch answers {answer.status} with {kinds}")
    return f"an answer with {', '.join(kinds)} after {time.monotonic() - began:.1f} s"


@step("gzip", usd=0.0, minutes=0.1)
def packed(ground: Ground) -> str:
    """Try gzip: what we pack the gateway does not pack again, or unpack."""
    accepted = {"Accept": PROTOBUF, "Accept-Encoding": "gzip"}  # bytes, which we pack ourselves
    answer = ground.call("GET", "/openapi/v2", headers=accepted, is_recorded=False)
    encoding = answer.header("content-encoding")
    ground.recorder.add("http", status=answer.status, headers=headers_of(answer.headers), body_bytes=len(answer.body))
    expect(answer.status == 200 and encoding == "gzip", f"it answers {answer.status}, encoding {encoding!r}")
    try:
        plain = gzip.decompress(answer.body)
    except OSError as error:
        raise StepFailed(f"it says gzip and is none: {error}") from error
    expect(plain[:2] != GZIP, "it is packed twice")
    return f"{len(plain)} bytes came as {len(answer.body)}, packed once"


@step("slash", usd=0.0, minutes=0.1)
def slash(ground: Ground) -> str:
    """Try what the gateway makes of %2F in a path and in a query."""
    chosen = ground.call("GET", f"{ground.path('configmaps')}?labelSelector={LABEL.replace('/', '%2F')}")
    expect(chosen.status == 200, f"a selector with %2F answers {chosen.status}")
    inside = ground.call("GET", f"{ground.path('configmaps')}/a%2Fb")
    expect(inside.status in (403, 404), f"a name with %2F answers {inside.status}: {inside.text[:200]}")
    return f"in a query it selects {len(chosen.json().get('items') or ())}, in a path it answers {inside.status}"


@step("upgrade", usd=0.0, minutes=0.1)
def upgrade(ground: Ground) -> str:
    """Try what the gateway makes of a WebSocket."""
    answer = ground.call("GET", f"{ground.path('pods')}/none/exec?command=true&stdout=1", headers=UPGRADE)
    expect(answer.status >= 400, f"a WebSocket is answered {answer.status}, though nothing could serve it")
    return f"exec is refused with {answer.status}: {answer.text[:160]}"


@step("wrong-token", usd=0.0, minutes=0.1)
def wrong_token(ground: Ground) -> str:
    """Try a wrong token: it is answered by us, not by the gateway."""
    answer = ground.call("GET", ground.path("pods"), headers={"Authorization": "Bearer wrong"})
    expect(answer.status == 401, f"a wrong token is answered {answer.status}")
    expect(answer.json().get("kind") == "Status", f"the body is no Status: {answer.text[:200]}")
    return "a wrong token gets a Status of 401"


@step("watches", usd=0.01, minutes=0.5)
def many_watches(ground: Ground) -> str:
    """Try 20 watches of 25 s at once: concurrency and the 29 s."""
    found: list[tuple[float, Exchange | StepFailed]] = []

    def watch() -> None:
        began = time.monotonic()
        target = f"{ground.path('pods')}?watch=1&timeoutSeconds={WATCH_SECONDS}"
        try:
            answer: Exchange | StepFailed = ground.call("GET", target)
        except StepFailed as error:
            answer = error
        found.append((time.monotonic() - began, answer))

    threads = [threading.Thread(target=watch, daemon=True) for _ in range(WATCHES)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    refused = [f"{each}" if isinstance(each, StepFailed) else f"{each.status}" for _, each in found]
    bad = [text for text in refused if text != "200"]
    longest = max(seconds for seconds, _ in found)
    expect(not bad, f"{len(bad)} of {WATCHES} watches failed: {', '.join(sorted(set(bad)))}")
    expect(longest < GATEWAY_SECONDS, f"the longest took {longest:.1f} s, and the gateway ends them after 29")
    return f"{WATCHES} at once, each answered within {longest:.1f} s"


@step("lasting-watch", usd=0.0, minutes=1.1)
def lasting_watch(ground: Ground) -> str:
    """Try a watch as a client library holds one, asked again after each answer: it tells an event after a minute."""
    revision = ground.call("GET", ground.path("configmaps")).json()["metadata"]["resourceVersion"]
    began, answers, created = time.monotonic(), 0, ""
    while time.monotonic() - began < LASTING_SECONDS + ANSWER_SECONDS:
        if not created and time.monotonic() - began >= LASTING_SECONDS:
            created = "lasting"
            ground.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": created}})
        query = f"watch=1&resourceVersion={revision}&allowWatchBookmarks=true&timeoutSeconds={ASK_AGAIN_SECONDS}"
        answer = ground.call("GET", f"{ground.path('configmaps')}?{query}", is_recorded=bool(created))
        expect(answer.status == 200, f"the watch answers {answer.status} after {time.monotonic() - began:.0f} s")
        answers += 1
        for event in map(json.loads, filter(str.strip, answer.text.splitlines())):
            metadata = event["object"].get("metadata") or {}
            revision = metadata.get("resourceVersion") or revision
            if (event["type"], metadata.get("name")) == ("ADDED", created or None):
                return f"told of it after {time.monotonic() - began:.0f} s, in the last of {answers} answers"
    raise StepFailed(f"{answers} answers in {time.monotonic() - began:.0f} s, and none tells of it")


@step("stream", usd=0.0, minutes=0.1)
def stream(ground: Ground) -> str:
    """Try a stream: what happens once its first piece has come is told in the same answer."""
    revision = ground.call("GET", ground.path("configmaps")).json()["metadata"]["resourceVersion"]
    client, told = KubeClient(ground.access), []
    left = ["streamed-first", "streamed-second"]
    ground.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": left[0]}})
    query = {"resourceVersion": revision, "timeoutSeconds": str(STREAM_SECONDS)}
    try:
        for event in client.watch(f"/{STREAM_PATH}{ground.path('configmaps')}", seconds=ANSWER_SECONDS, **query):
            told.append(f"{event['type']} {event['object'].get('metadata', {}).get('name', '')}")
            if told[-1] != f"ADDED {left[0]}":
                continue
            left.pop(0)
            if not left:
                break
            ground.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": left[0]}})
    except (ApiError, ApiUnreachable) as error:
        raise StepFailed(f"the stream is refused: {error}") from error
    ground.recorder.add("stream", told=told)
    expect(not left, f"the answer tells {told} and not {left}: its pieces came together at its end")
    return "two pieces came apart, in one answer"


STEPS = (apply, watch, stream, packed, slash, upgrade, wrong_token, many_watches, lasting_watch)
