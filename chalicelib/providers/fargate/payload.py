"""What a task fetches when it starts: its files, and each container's environment and arguments.

Nothing of a pod's own goes into task definitions or RunTask overrides, which anyone who may describe tasks can
read and which hold no more than 8,192 characters. A first container, run as root from the task's own image,
fetches the payload over HTTPS with a proof of which task it is (identity), unpacks it into the task's volumes,
and puts the task's address in its place. The others wait for it, take their environment and arguments from it, and
start what their image starts. Init containers leave a mark when they have ended well.
"""

from __future__ import annotations

import base64
import io
import shlex

from chalicelib.providers.base import ADDRESS, Container, Task
from chalicelib.providers.fargate import identity
from chalicelib.providers.fargate.identity import START_FAILED
from chalicelib.providers.fargate.shape import with_fixed_paths

VOLUME = "sparkanywhere"  # shared by all containers: where start scripts lie
START_PATH = "/.sparkanywhere"  # where that volume is mounted
VOLUMES_PATH = f"{START_PATH}/volumes"  # where the first container sees the task's volumes
FETCHER = "sparkanywhere-start"  # the first container's name
SPARK_ENTRYPOINT = "/opt/entrypoint.sh"
URL, WAITS = "SPARKANYWHERE_PAYLOAD_URL", "SPARKANYWHERE_WAITS"
STOP_FUNCTION = "sparkanywhere_stop"
NOT_NEEDED = 143  # the fetcher's exit code where a task that waited is ended: as SIGTERM's
NO_FILES = f"the pod's files could not be fetched, see the log of container {FETCHER}"

# POSIX sh. curl, wget or python3 does the fetching: the official Spark images have one of them.
FETCH_SCRIPT = f"""
set -eu
cd {START_PATH}
echo "timeout = 60" > wgetrc && export WGETRC="$PWD/wgetrc"  # busybox's wget knows neither this nor an option for it
fetch() {{
  if command -v curl >/dev/null 2>&1; then curl -fsS --retry 5 --connect-timeout 10 --max-time 60 -H "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then wget -q -O - --tries=5 --header="$2" "$1"
  elif command -v python3 >/dev/null 2>&1; then python3 -c '
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers=dict([sys.argv[2].split(": ", 1)]))
sys.stdout.write(urllib.request.urlopen(request, timeout=60).read().decode())' "$1" "$2"
  else echo "the image has neither curl nor wget nor python3, one of which fetches the files of a pod" >&2
    exit {START_FAILED}
  fi
}}
ip=$(fetch "$ECS_CONTAINER_METADATA_URI_V4" "Accept: application/json" \\
  | tr -d ' \\n' | sed -n 's/.*"IPv4Addresses":\\["\\([0-9.]*\\)".*/\\1/p')
[ -n "$ip" ] || ip=$(hostname -i | cut -d' ' -f1)
again() {{ fetch "$@" || {{ sleep 2; fetch "$@"; }} || {{ sleep 5; fetch "$@"; }}; }}  # curl alone does so by itself
if [ -n "${{{WAITS}:-}}" ]; then  # started before it is known what for: see providers/extensions, BindsLate
  trap 'exit {NOT_NEEDED}' TERM
  began=$(date +%s)
  while :; do
    told=$(again "${{{URL}%/payload}}/wait" "Accept: text/plain") || exit {START_FAILED}
    case "$told" in
      go) break ;; "wait "[0-9]*" "[0-9]*) ;; end) echo "not needed"; exit {NOT_NEEDED} ;;
      *) echo "told: $told"; exit {START_FAILED} ;;
    esac
    told=${{told#wait }} longest=${{longest:-${{told%% *}}}}
    [ $(($(date +%s) - began)) -lt "$longest" ] || {{ echo "nobody has needed this task"; exit {NOT_NEEDED}; }}
    sleep "${{told#* }}" || sleep 1  # POSIX has whole seconds
  done
fi
{identity.SIGN}
again "${URL}" "Authorization: Bearer $proof" | base64 -d | tar -xz -f - -C {START_PATH}
[ ! -s addressed ] || xargs -0 sed -i "s/{ADDRESS}/$ip/g" < addressed
for folder in {VOLUMES_PATH}/*; do [ ! -d "$folder" ] || chmod a+rwx "$folder"; done
chmod 0755 {START_PATH}
mkdir -p done && chmod 1777 done
: > ready
echo "started on $ip"
"""

# Containers wait for the end of those before them, however that is, and then see for themselves whether it was a good
# one: a task whose container waits for a success that can not come may stay PENDING for good, and be paid for
# (github.com/aws/containers-roadmap/issues/817, github.com/aws/amazon-ecs-agent/issues/2579).
# A container's name comes as $0, so that one definition serves every pod of the same shape.
_PREPARE = f"""
[ -e "{START_PATH}/ready" ] || {{ echo "{NO_FILES}" >&2; exit {START_FAILED}; }}
. "{START_PATH}/start/$0.sh"
[ "$SPARKANYWHERE_OWN_COMMAND" = 1 ] || [ ! -x {SPARK_ENTRYPOINT} ] || set -- {SPARK_ENTRYPOINT} "$@"
unset SPARKANYWHERE_OWN_COMMAND
[ $# != 0 ] || {{ echo "name a command: only Spark's image is started by its own here" >&2; exit {START_FAILED}; }}
"""
# A container with a preStop hook has this shell beside it: ECS knows no hooks, so on SIGTERM the shell runs it, and
# only then lets the command have the signal. All of that is within the stopTimeout, as within a pod's grace.
START_SCRIPT = (
    _PREPARE
    + f"""\
command -v {STOP_FUNCTION} >/dev/null || exec "$@"
told=
trap 'child=$! told=1; [ -n "$child" ] || exit 143; {STOP_FUNCTION}; kill -s TERM "$child" 2>/dev/null' TERM
"$@" &
child=$!
wait "$child"
code=$?
while [ -n "$told" ]; do  # the signal may have ended the wait and not the command, whose end is known once (then 127)
  told=
  wait "$child"
  ended=$?
  [ $ended = 127 ] || code=$ended
done
exit $code
"""
)
INIT_SCRIPT = (
    _PREPARE
    + f"""\
"$@"
code=$?
[ $code != 0 ] || : > "{START_PATH}/done/$0"
exit $code
"""
)


def render(task: Task) -> str:
    """Return the payload of a task: a gzipped tar in base64, text so that any gateway lets it pass."""
    import tarfile  # lazy: few requests are a task's for its payload

    task, files = with_fixed_paths(task), {}
    before = ""  # the init container that must have ended well
    for each in task.containers:
        files[f"start/{each.name}.sh"] = (start_script(each, after=before).encode(), 0o644)
        before = each.name if each.init else before
    for volume in task.volumes:
        for file in volume.files:
            files[f"volumes/{volume.name}/{file.path}"] = (file.content, file.mode)
    addressed = [path for path, (content, _) in files.items() if ADDRESS.encode() in content]
    files["addressed"] = (b"\0".join(path.encode() for path in addressed), 0o600)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as tar:
        for path, (content, mode) in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return base64.b64encode(buffer.getvalue()).decode()


def start_script(container: Container, *, after: str = "") -> str:
    """Return what sets a container's environment, folder and arguments, for a shell to read.

    It ends the shell if the init container `after` has not ended well.
    """
    lines = [f"export {name}={shlex.quote(value)}" for name, value in container.env]
    if after:
        why = f'{{ echo "init container {after} has failed" >&2; exit {START_FAILED}; }}'
        lines.insert(0, f'[ -e "{START_PATH}/done/{after}" ] || {why}')
    if container.working_dir:
        lines.append(f"cd {shlex.quote(container.working_dir)}")
    if container.stop_command:
        lines.append(f"{STOP_FUNCTION}() {{ {shlex.join(container.stop_command)}; }}")
    words = [*(container.command or ()), *(container.args or ())]
    lines.append(f"set -- {shlex.join(words)}" if words else "set --")
    lines.append(f"SPARKANYWHERE_OWN_COMMAND={1 if container.command else 0}")
    return "\n".join(lines) + "\n"
