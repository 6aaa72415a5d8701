"""Files of jobs, brought to a real local server by pieces and fetched by a real pod; and the script that fetches."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import Access, ApiError, KubeClient
from sparkanywhere.jobs.job_files import CARRIED_PATH, FETCHED_PATH, SCRIPT, Fetched, FileFailed, fetch_list, sort_files
from sparkanywhere.jobs.objects import build
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import PIECE_BYTES, bring
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from tests.waiting import until

PODS = "/api/v1/namespaces/default/pods"
CONTENT = os.urandom(PIECE_BYTES + 4321)
SCRIPT_SECONDS = 120.0
NEEDED = ("sh", "sed", "cut", "wc", "mv", "sha256sum", "cat", "grep", "env")


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Return a file of more than one piece."""
    path = tmp_path / "big.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    """Yield a local control plane that runs pods as processes."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPARKANYWHERE_")}
    found = LocalServer(
        ServerOptions(tmp_path / "state", "files", settings={"SPARKANYWHERE_FILE_MAX_MB": "5"}), environ
    )
    found.start()
    yield found
    found.stop()


def pod_that_reads(big: Path, fetched: tuple[Fetched, ...]) -> tuple[JSON, JSON]:
    """Return a driver's pod whose program looks at the file, and the Secret that it fetches by."""
    program = big.with_name("job.py")
    program.write_text("print(1)\n")
    spec = JobSpec(application=str(program), files=(str(big),), image="busybox")
    made = build(spec, suffix="0a", user="ana", fetched=fetched)
    pod = made.driver
    pod["spec"]["containers"][0]["command"] = ["/bin/sh", "-c"]
    pod["spec"]["containers"][0]["args"] = [f"sha256sum < {FETCHED_PATH}/big.bin; cat {CARRIED_PATH}/job.py"]
    return pod, {"owned": list(made.owned)}


def test_a_large_file_reaches_the_pod(server: LocalServer, big: Path) -> None:
    client = KubeClient(server.access)
    said: list[str] = []
    files = sort_files([str(big)])
    fetched = bring(client, "default", files, needed_by="pods/job-0a-driver", say=said.append)
    assert said == [f"uploading {big}, 2.1 MB"]
    assert bring(client, "default", files, say=said.append)[0].sha256 == fetched[0].sha256
    assert len(said) == 1  # the second time it is there

    pod, rest = pod_that_reads(big, fetched)
    client.create(PODS, pod)
    for collection, obj in rest["owned"]:
        client.create(f"/api/v1/namespaces/default/{collection}", obj)
    path = f"{PODS}/{pod['metadata']['name']}"
    until(lambda: client.get(path)["status"]["phase"] in ("Succeeded", "Failed"), "the pod to end")

    log = client.log("default", pod["metadata"]["name"], container="spark-kubernetes-driver")
    assert log.split()[0] == hashlib.sha256(CONTENT).hexdigest()
    assert "print(1)" in log
    fetching = client.log("default", pod["metadata"]["name"], container="fetch-files")
    assert f"fetched big.bin, {len(CONTENT)} bytes" in fetching


def test_who_sends_no_accept_header_gets_the_file_too(server: LocalServer, big: Path) -> None:
    client = KubeClient(server.access)
    fetched = bring(client, "default", sort_files([str(big)]))
    pod, _ = pod_that_reads(big, fetched)
    client.create(PODS, {**pod, "metadata": {**pod["metadata"], "name": "names-the-file"}})  # waits for its Secret

    with urllib.request.urlopen(fetched[0].url, timeout=30) as answer:
        assert answer.read() == CONTENT


def test_an_upload_goes_on_where_it_broke(server: LocalServer, big: Path) -> None:
    client = KubeClient(server.access)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    place = "/sparkanywhere/v1/namespaces/default/files"
    client.create(place, {"sha256": sha256, "size": len(CONTENT)})
    client.put(f"{place}/{sha256}", CONTENT[:1000], offset="0")

    bring(client, "default", sort_files([str(big)]))

    told = client.create(place, {"sha256": sha256, "size": len(CONTENT)})
    assert told["status"]["present"]


def test_a_file_that_is_too_large_is_refused_by_the_limit(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "huge.bin"
    path.write_bytes(b"x" * 5_000_001)

    with pytest.raises(FileFailed, match=r"huge\.bin was not taken: .*5,000,001 bytes.*SPARKANYWHERE_FILE_MAX_MB"):
        bring(KubeClient(server.access), "default", sort_files([str(path)]))


def test_an_unknown_namespace_is_said_so(server: LocalServer, big: Path) -> None:
    with pytest.raises(FileFailed, match='namespaces "nowhere" not found'):
        bring(KubeClient(server.access), "nowhere", sort_files([str(big)]))


def test_where_no_files_are_kept_the_sentence_says_what_to_do(big: Path) -> None:
    class Elsewhere(KubeClient):
        def __init__(self) -> None:
            """Have no access: nothing is asked."""

        def create(self, path: str, obj: JSON, **_how: object) -> JSON:
            """Answer as an API server that knows no such path."""
            del path, obj
            raise ApiError(404, "the server could not find the requested resource")

    with pytest.raises(FileFailed, match=r"keeps no files: put it into the image, or into a bucket"):
        bring(Elsewhere(), "default", sort_files([str(big)]))


class _Bucket(http.server.BaseHTTPRequestHandler):
    answers: ClassVar[list[tuple[int, str]]] = []  # what the next PUTs are answered; then 200
    taken: ClassVar[list[bytes]] = []

    def do_PUT(self) -> None:
        """Take the content, or answer as told; code 0 breaks the connection."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        code, body = self.answers.pop(0) if self.answers else (200, "")
        if code == 0:
            return
        if code == 200:
            self.taken.append(content)
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


class _Ticketing(KubeClient):
    """A control plane that keeps files in a bucket."""

    def __init__(self, url: str) -> None:
        super().__init__(Access("http://127.0.0.1:1"))
        self._url = url

    def create(self, path: str, obj: JSON, **_how: object) -> JSON:
        """Give a ticket."""
        del path
        upload = {"url": self._url, "headers": {"Content-Length": str(obj["size"])}, "offset": 0}
        status = {"present": False, "upload": upload, "fetchURL": "x", "certificateAuthority": ""}
        return {"status": status}


@pytest.fixture
def bucket() -> Iterator[str]:
    """Yield the URL of a bucket that takes PUTs."""
    _Bucket.answers.clear()
    _Bucket.taken.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Bucket)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/key"
    server.shutdown()
    server.server_close()
    thread.join()


SLOW_DOWN = (503, "<Error><Code>SlowDown</Code></Error>")
CUT = (0, "")


@pytest.mark.parametrize("answers", [[], [SLOW_DOWN], [CUT, SLOW_DOWN, CUT]], ids=["at once", "slow", "cut"])
def test_a_bucket_is_tried_again_until_it_takes_the_file(
    bucket: str, big: Path, answers: list[tuple[int, str]]
) -> None:
    _Bucket.answers += answers

    bring(_Ticketing(bucket), "ns", sort_files([str(big)]), sleep=lambda _seconds: None)

    assert _Bucket.taken == [CONTENT]


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ([(403, "<Error><Code>AccessDenied</Code></Error>")], "not taken by the project's bucket: AccessDenied"),
        ([(400, "<Error><Code>BadDigest</Code></Error>")], "not taken by the project's bucket: BadDigest"),
        ([SLOW_DOWN] * 9, "could not be uploaded: the bucket said SlowDown"),
        ([CUT] * 9, "could not be uploaded: the bucket did not answer"),
    ],
    ids=["forbidden", "checksum", "slow", "cut"],
)
def test_a_bucket_that_does_not_take_it_is_one_sentence(
    bucket: str, big: Path, answers: list[tuple[int, str]], sentence: str
) -> None:
    _Bucket.answers += answers

    with pytest.raises(FileFailed, match=sentence):
        bring(_Ticketing(bucket), "ns", sort_files([str(big)]), sleep=lambda _seconds: None)

    assert _Bucket.taken == []


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Redirect once, as a control plane with a bucket does; give the content; refuse the rest."""
        code = {"/file": 307, "/content": 200}.get(self.path, 403)
        self.send_response(code)
        if code == 307:
            self.send_header("Location", "/content")
        body = CONTENT if code == 200 else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """Yield the URL of a server of the content."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["curl", "wget", "python3"])
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with the programs that an image has: those that all have, and one that fetches."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*NEEDED, request.param):
        found = shutil.which(name) if name != "python3" else sys.executable  # that of PATH may be a shim's script
        assert found is not None, f"{name} is missing here: apt-get install {name}"
        (folder / name).symlink_to(Path(found).resolve())
    return folder


def fetch(tools: Path, tmp_path: Path, fetched: Fetched) -> subprocess.CompletedProcess[str]:
    """Run the script as the container does."""
    into, listed = tmp_path / "into", tmp_path / "list"
    into.mkdir()
    listed.mkdir()
    for name, text in fetch_list([fetched]).items():
        (listed / name).write_text(text)
    environ = {"PATH": str(tools), "FETCH_INTO": str(into), "FETCH_LIST": str(listed)}
    return subprocess.run(
        ["/bin/sh", "-c", SCRIPT], env=environ, capture_output=True, text=True, timeout=SCRIPT_SECONDS, check=False
    )


def staged(url: str) -> Fetched:
    """Return the file as it is fetched."""
    return Fetched("big.bin", url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_the_script_fetches_by_what_the_image_has(tools: Path, tmp_path: Path, web: str) -> None:
    ran = fetch(tools, tmp_path, staged(f"{web}/file"))

    assert ran.returncode == 0, ran.stderr
    assert [each.name for each in (tmp_path / "into").iterdir()] == ["big.bin"]
    assert (tmp_path / "into" / "big.bin").read_bytes() == CONTENT


def test_a_fetched_file_keeps_its_name(tools: Path, tmp_path: Path, web: str) -> None:
    name = "à b+%41  (1)\\n$x'\".bin"

    ran = fetch(tools, tmp_path, replace(staged(f"{web}/file"), source=name))

    assert ran.returncode == 0, ran.stderr
    assert [each.name for each in (tmp_path / "into").iterdir()] == [name]


def test_a_url_that_has_expired_is_one_sentence(tools: Path, tmp_path: Path, web: str) -> None:
    ran = fetch(tools, tmp_path, staged(f"{web}/expired?secret=1"))

    assert ran.returncode == 1
    assert ran.stderr.startswith("fetch-files: big.bin could not be fetched: ")
    assert "403" in ran.stderr
    assert "submit the job again if its address has expired" in ran.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda file: replace(file, sha256="0" * 64), "its checksum is wrong"),
        (lambda file: replace(file, size=7), "bytes, not 7"),
    ],
    ids=["checksum", "size"],
)
def test_another_content_is_not_taken(
    tools: Path, tmp_path: Path, web: str, change: Callable[[Fetched], Fetched], sentence: str
) -> None:
    ran = fetch(tools, tmp_path, change(staged(f"{web}/file")))

    assert ran.returncode == 1
    assert sentence in ran.stderr
    assert not (tmp_path / "into" / "big.bin").exists()


def test_an_image_without_any_of_them_is_said_so(tmp_path: Path, web: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cat").symlink_to(shutil.which("cat") or "/bin/cat")

    ran = fetch(tmp_path / "bin", tmp_path, staged(f"{web}/file"))

    assert "neither curl nor wget nor python3" in ran.stderr
