"""kr8s' guide: objects, waits, logs, exec, port-forward, scale, custom kinds, whoami."""

from __future__ import annotations

import socket
import time
import urllib.request

import kr8s
from kr8s.objects import ConfigMap, Deployment, Pod

with socket.create_server(("127.0.0.1", 0)) as free:
    PORT = free.getsockname()[1]
SERVE = f"import http.server as h; h.ThreadingHTTPServer(('', {PORT}), h.SimpleHTTPRequestHandler).serve_forever()"

print(kr8s.whoami())
pod = Pod(
    {
        "metadata": {"name": "kr", "labels": {"app": "kr"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "c",
                    "image": "python",
                    "command": ["sh", "-c", f'echo hello; exec python3 -c "{SERVE}"'],
                    "ports": [{"containerPort": PORT}],
                }
            ],
        },
    }
)
pod.create()
pod.wait("condition=Ready", timeout=60)
assert [each.name for each in kr8s.get("pods", label_selector="app=kr")] == ["kr"]
assert list(pod.logs()) == ["hello"]
assert pod.exec(["echo", "from-exec"]).stdout == b"from-exec\n"
for _ in range(100):  # until it listens
    try:
        with (
            pod.portforward(PORT, local_port="auto") as port,
            urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer,
        ):
            assert answer.status == 200
            break
    except OSError:  # also of a port that kr8s has drawn while somebody's connection went out from it
        time.sleep(0.2)
else:
    raise AssertionError("nothing came through the forwarded port")
pod.label({"more": "x"})
pod.annotate({"note": "y"})
pod.refresh()
assert pod.labels["more"] == "x"
assert pod.annotations["note"] == "y"
pod.delete()
pod.wait("delete", timeout=60)
assert not pod.exists()

template = {
    "metadata": {"labels": {"app": "krd"}},
    "spec": {"containers": [{"name": "c", "image": "busybox", "command": ["sleep", "1000"]}]},
}
deployment = Deployment(
    {
        "metadata": {"name": "krd"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "krd"}}, "template": template},
    }
)
deployment.create()
deployment.scale(2)
deployment.wait("condition=Available", timeout=60)
assert len(list(kr8s.get("pods", label_selector="app=krd"))) == 2
deployment.delete(propagation_policy="Foreground")
deployment.wait("delete", timeout=90)
assert not list(kr8s.get("pods", label_selector="app=krd"))

config = ConfigMap({"metadata": {"name": "kr"}, "data": {"a": "1"}})
config.create()
config.patch({"data": {"b": "2"}})
assert config.data == {"a": "1", "b": "2"}
config.delete()
