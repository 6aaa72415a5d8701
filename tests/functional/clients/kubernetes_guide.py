"""The official Python client's examples: watch, exec, port-forward, dynamic apply, YAML, leader election."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes.stream import portforward, stream

with socket.create_server(("127.0.0.1", 0)) as free:
    PORT = free.getsockname()[1]
SERVE = f"import http.server as h; h.ThreadingHTTPServer(('', {PORT}), h.SimpleHTTPRequestHandler).serve_forever()"
config.load_kube_config()
core = client.CoreV1Api()

container = {"name": "c", "image": "python", "command": ["sh", "-c", f'echo hello; exec python3 -c "{SERVE}"']}
spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
core.create_namespaced_pod("default", {"metadata": {"name": "kp"}, "spec": spec})
phases = []
watched = watch.Watch()
for event in watched.stream(core.list_namespaced_pod, "default", field_selector="metadata.name=kp", timeout_seconds=60):
    phases.append(event["object"].status.phase)
    if phases[-1] == "Running":
        watched.stop()
assert phases[-1] == "Running", phases
for _ in range(100):
    if core.read_namespaced_pod_log("kp", "default") == "hello\n":
        break
    time.sleep(0.2)
else:
    raise AssertionError("the log stays empty")

asked = {"command": ["sh", "-c", "read line; echo got $line; echo err >&2; exit 3"], "stdin": True, "stdout": True}
session = stream(core.connect_get_namespaced_pod_exec, "kp", "default", stderr=True, _preload_content=False, **asked)
session.write_stdin("typed\n")
session.run_forever(timeout=30)
assert (session.read_stdout(), session.read_stderr(), session.returncode) == ("got typed\n", "err\n", 3)

for _ in range(100):  # until it listens
    forward = portforward(core.connect_get_namespaced_pod_portforward, "kp", "default", ports=str(PORT))
    with contextlib.suppress(OSError):
        forward.socket(PORT).sendall(b"GET / HTTP/1.0\r\n\r\n")
        if forward.socket(PORT).recv(12) == b"HTTP/1.0 200":
            break
    time.sleep(0.2)
else:
    raise AssertionError("nothing came through the forwarded port")

core.delete_namespaced_pod("kp", "default")
ended = []
for event in watch.Watch().stream(
    core.list_namespaced_pod, "default", field_selector="metadata.name=kp", timeout_seconds=60
):
    ended.append((event["type"], event["object"].status.phase))
    if event["type"] == "DELETED":
        break
assert ended[-2:] == [("MODIFIED", "Failed"), ("DELETED", "Failed")], ended

maps = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="v1", kind="ConfigMap")
body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kp"}, "data": {"a": "1"}}
assert maps.server_side_apply(body=body, name="kp", namespace="default", field_manager="guide").data.a == "1"
maps.delete(name="kp", namespace="default")

job = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox", "command": ["true"]}]}
yaml = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "kp"}, "spec": {"template": {"spec": job}}}
utils.create_from_dict(client.ApiClient(), yaml)
batch = client.BatchV1Api()
for event in watch.Watch().stream(
    batch.list_namespaced_job, "default", field_selector="metadata.name=kp", timeout_seconds=60
):
    if event["object"].status.succeeded:
        break
batch.delete_namespaced_job("kp", "default", propagation_policy="Background")

led = threading.Event()
lock = LeaseLock("guide", "default", "me")
election = electionconfig.Config(
    lock, lease_duration=4, renew_deadline=3, retry_period=1, onstarted_leading=led.set, onstopped_leading=lambda: None
)
threading.Thread(target=leaderelection.LeaderElection(election).run, daemon=True).start()
assert led.wait(30), "nobody was elected"
assert client.CoordinationV1Api().read_namespaced_lease("guide", "default").spec.holder_identity == "me"
os._exit(0)  # an election has no other end
