"""A registry of images on loopback that holds one image behind a login, as the engine's own client asks for it.

Protocol: the OCI distribution specification v1.1, pull alone, with HTTP Basic. Engines speak plain http to 127.0.0.0/8.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PADDING_BYTES = 2 * 1024 * 1024
PIECE_BYTES = 32 * 1024
PIECE_SECONDS = 0.1  # between two pieces while the registry is slow
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class ImageRegistry:
    """Serves `name:tag`, the image `source` of the engine with 2 MiB on top, to those who log in.

    Until `quick` is set the 2 MiB come slowly. `asked` counts the questions for its manifest.
    """

    USER, PASSWORD = "reader", "hush"

    def __init__(self, client: Any, source: str) -> None:  # Any: a docker.APIClient
        self.quick = threading.Event()
        self.asked = 0
        self.name = "team/tool"
        self._blobs: dict[str, bytes] = {}
        self._manifest = self._image(client, source)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """Return the name by which the engine knows it."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def image(self) -> str:
        """Return the name of its image."""
        return f"{self.host}/{self.name}:1"

    def close(self) -> None:
        """End it."""
        self.quick.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _image(self, client: Any, source: str) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(b"".join(client.get_image(source)))) as saved:
            (listed,) = json.loads(_read(saved, "manifest.json"))
            layers = [_read(saved, path) for path in listed["Layers"]]
            config = json.loads(_read(saved, listed["Config"]))
        layers.append(_padding())
        config["rootfs"] = {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]}
        config.pop("history", None)
        packed = [self._keep(gzip.compress(layer, 1), LAYER) for layer in layers]
        described = self._keep(json.dumps(config).encode(), CONFIG)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": packed}
        return json.dumps(manifest).encode()

    def _keep(self, blob: bytes, kind: str) -> dict[str, Any]:
        self._blobs[_digest(blob)] = blob
        return {"mediaType": kind, "size": len(blob), "digest": _digest(blob)}

    def _answer(self, path: str) -> tuple[str, bytes] | None:
        """Return content type and body, None for what is not there."""
        if path == "/v2/":
            return "application/json", b"{}"
        kind, _, reference = path.removeprefix(f"/v2/{self.name}/").partition("/")
        if kind == "manifests" and reference in ("1", _digest(self._manifest)):
            return MANIFEST, self._manifest
        blob = self._blobs.get(reference) if kind == "blobs" else None
        return None if blob is None else ("application/octet-stream", blob)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self
        allowed = "Basic " + base64.b64encode(f"{self.USER}:{self.PASSWORD}".encode()).decode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._reply()

            def do_GET(self) -> None:
                body = self._reply()
                for start in range(0, len(body), PIECE_BYTES):
                    if len(body) > PADDING_BYTES:
                        registry.quick.wait(PIECE_SECONDS)
                    self.wfile.write(body[start : start + PIECE_BYTES])

            def _reply(self) -> bytes:
                if self.headers.get("Authorization") != allowed:
                    self._head(401, 0, {"WWW-Authenticate": 'Basic realm="tests"'})
                    return b""
                found = registry._answer(self.path)
                if found is None:
                    self._head(404, 0, {})
                    return b""
                kind, body = found
                registry.asked += kind == MANIFEST
                self._head(200, len(body), {"Content-Type": kind, "Docker-Content-Digest": _digest(body)})
                return body

            def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
                self.send_response(status)
                every = {**headers, "Content-Length": str(length)}
                for name, value in {**every, "Docker-Distribution-Api-Version": "registry/2.0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    member = archive.extractfile(path)
    assert member is not None
    return member.read()


def _padding() -> bytes:
    """Return a layer of one file that cannot be made smaller."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        file = tarfile.TarInfo("padding")
        file.size = PADDING_BYTES
        tar.addfile(file, io.BytesIO(os.urandom(PADDING_BYTES)))
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
