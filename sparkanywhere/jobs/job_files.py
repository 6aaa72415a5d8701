"""Pure: the files that a job names, what each is called in its pods, and which way it gets there.

Small files of this machine travel with the job in a ConfigMap, which any Kubernetes takes; larger ones and objects in
S3 are fetched by the driver's pod before Spark starts; whatever else has a scheme (local://, https://, s3a://)
is Spark's own business.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.failure import Failure

REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://")
S3 = "s3://"
CARRIED_PATH = "/opt/sparkanywhere/files"
FETCHED_PATH = "/opt/sparkanywhere/fetched"
LIST_PATH = "/opt/sparkanywhere/fetch"
FETCHER = "fetch-files"  # name of the container that fetches
MAX_CARRIED_BYTES = 300_000  # in one ConfigMap: DynamoDB takes 400 KB of what may not shrink, and names take room
STAGED_ANNOTATION = "sparkanywhere.io/staged-files"  # tells the control plane that this pod needs them
_KEY = re.compile(r"(?!\.\.?$)(?!\.\.)[-._a-zA-Z0-9]{1,253}", re.ASCII)  # of a ConfigMap


def is_bad_name(name: str) -> bool:
    """Return whether a list of names, a volume or Spark cannot have a file's name: line ends, bytes of no text, braces.

    Stock Spark drops a file with { or } in its name without a word: it takes a file's URL for a template.
    """
    return not name.isprintable() or "{" in name or "}" in name or name != name.strip() or name.startswith(("-", ".."))


class FileFailed(Failure):
    """A file of the job cannot be brought to its pod; str() is one sentence."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that the pod fetches; size 0 and sha256 "" if not known."""

    source: str  # as the job names it, without a fragment
    url: str
    size: int = 0
    sha256: str = ""
    authority: str = ""  # PEM of the authority that vouches for the URL's host, "" for the usual ones
    is_staged: bool = False


@dataclass(frozen=True, slots=True)
class Sorted:
    """The files of a job by the way they take: paths of this machine, and s3:// URLs."""

    carried: tuple[str, ...]
    staged: tuple[str, ...]
    objects: tuple[str, ...]


def source_of(named: str) -> str:
    """Return what is named, without the fragment that says how it is called after unpacking (`env.zip#env`)."""
    return named.partition("#")[0]


def is_local(named: str) -> bool:
    """Return whether a file of this machine is named (local:// is one of the image)."""
    return not REMOTE.match(named)


def is_brought(named: str) -> bool:
    """Return whether we bring it to the pod, and not Spark."""
    return is_local(named) or named.startswith(S3)


def pod_name(source: str) -> str:
    """Return what a file is called in the pod: what it is called here."""
    return PurePosixPath(source).name if source.startswith(S3) else Path(source).name


def entry_key(source: str) -> str:
    """Return the key of a file's content in the ConfigMap: its name where a key may be called that."""
    name = pod_name(source)
    return name if _KEY.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()


def volume_items(carried: Sequence[str]) -> JSON:
    """Return what a ConfigMap volume needs beside its name, so that its files are called as they are here."""
    items = [{"key": entry_key(each), "path": pod_name(each)} for each in carried]
    return {"items": items} if any(each["key"] != each["path"] for each in items) else {}


def sort_files(named: Iterable[str]) -> Sorted:
    """Return which way each file takes: the smallest of this machine are carried, as many as fit together."""
    sources = list(dict.fromkeys(source_of(each) for each in named if is_brought(each)))
    local = [each for each in sources if is_local(each)]
    carried, total = set(), 0
    for size, path in sorted((Path(each).stat().st_size, each) for each in local):
        total += size
        if total <= MAX_CARRIED_BYTES:
            carried.add(path)
    return Sorted(
        tuple(each for each in local if each in carried),
        tuple(each for each in local if each not in carried),
        tuple(each for each in sources if not is_local(each)),
    )


def in_pod(named: str, fetched: Iterable[Fetched]) -> str:
    """Return a file's name as the driver gets it: a URL, so that Spark's lists take any name."""
    if not is_brought(named):
        return named
    source, mark, alias = named.partition("#")
    folder, _, name = place_in_pod(source, fetched).rpartition("/")
    return f"file://{folder}/{quote(name, safe='')}{mark}{quote(alias, safe='')}"


def place_in_pod(source: str, fetched: Iterable[Fetched]) -> str:
    """Return the path at which a pod has a file that we bring to it."""
    folder = FETCHED_PATH if any(each.source == source for each in fetched) else CARRIED_PATH
    return f"{folder}/{pod_name(source)}"


def same_names(named: Iterable[str]) -> str:
    """Return a name that two of the files would have in the pod, "" if there is none."""
    names = [pod_name(each) for each in dict.fromkeys(source_of(each) for each in named if is_brought(each))]
    return next((name for name in names if names.count(name) > 1), "")


# POSIX sh. The list has a line per file: SHA-256 or -, size or 0, own or -, URL, name. The URL is a secret, so it
# comes to no command line but BusyBox's. curl, wget or python3 fetches: the official Spark images have one of them.
SCRIPT = """
set -u
fail() { echo "fetch-files: $*" >&2; exit 1; }
fetch() {
  if command -v curl >/dev/null 2>&1; then
    printf 'url = "%s"\\n' "$url" | curl -fsSL --retry 5 --connect-timeout 20 --speed-limit 100 --speed-time 60 \\
      ${ca:+--cacert "$ca"} -o "$1" -K - 2>&1
  elif wget --version >/dev/null 2>&1; then
    printf '%s\\n' "$url" | wget -nv --tries=5 --timeout=60 ${ca:+--ca-certificate="$ca"} -O "$1" -i - 2>&1
  elif command -v python3 >/dev/null 2>&1; then
    printf '%s' "$url" | python3 -c '
import shutil, ssl, sys, time, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2] or None)
url = sys.stdin.read()
for attempt in range(5):
    try:
        with urllib.request.urlopen(url, timeout=60, context=context) as answer, open(sys.argv[1], "wb") as file:
            shutil.copyfileobj(answer, file)
        sys.exit()
    except OSError as error:
        if attempt == 4 or 400 <= getattr(error, "code", 0) < 500:
            sys.exit(str(error))
        time.sleep(2 ** attempt)
' "$1" "$ca" 2>&1
  elif command -v wget >/dev/null 2>&1 && [ -z "$ca" ]; then
    wget -q -O "$1" "$url" 2>&1  # BusyBox; it has a time limit of its own
  else
    echo "the image has neither curl nor wget nor python3"; return 1
  fi
}
digest() {  # of its input: a name with a backslash would be marked in the output
  if command -v sha256sum >/dev/null 2>&1; then sha256sum < "$1"
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256 < "$1"
  else openssl dgst -sha256 -r < "$1"; fi | cut -d' ' -f1
}
line_end='
'
cd "$FETCH_INTO" || fail "there is no folder to fetch into"
while read -r sum size own url name; do
  ca=; [ "$own" = - ] || ca="$FETCH_LIST/ca.pem"
  said=$(fetch "$name.part") || fail "$name could not be fetched: ${said##*"$line_end"};" \\
    "submit the job again if its address has expired, else see whether this pod reaches it"
  have=$(($(wc -c < "$name.part")))
  [ "$size" = 0 ] || [ "$have" = "$size" ] || fail "$name has $have bytes, not $size: it has changed or was cut"
  [ "$sum" = - ] || [ "$(digest "$name.part")" = "$sum" ] \\
    || fail "$name is not what was submitted: its checksum is wrong"
  mv "$name.part" "$name"
  echo "fetched $name, $have bytes"
done < "$FETCH_LIST/list"
"""


def fetch_list(fetched: Iterable[Fetched]) -> dict[str, str]:
    """Return the entries of the Secret that says what to fetch."""
    rows = list(fetched)
    lines = [
        f"{each.sha256 or '-'} {each.size} {'own' if each.authority else '-'} {each.url} {pod_name(each.source)}\n"
        for each in rows
    ]
    authority = next((each.authority for each in rows if each.authority), "")
    return {"list": "".join(lines), **({"ca.pem": authority} if authority else {})}


def fetcher(image: str, pull_policy: str) -> JSON:
    """Return the init container that fetches, made of the job's own image."""
    return {
        "name": FETCHER,
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": ["/bin/sh", "-c", SCRIPT],
        "env": [{"name": "FETCH_LIST", "value": LIST_PATH}, {"name": "FETCH_INTO", "value": FETCHED_PATH}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "fetched", "mountPath": FETCHED_PATH},
            {"name": "fetch-list", "mountPath": LIST_PATH, "readOnly": True},
        ],
    }
