"""What runs in a container before its command: a shell that knows the task's address, and whether it has run before.

Azure tells a container its address nowhere but in the container. With restartPolicy Never it "might still restart" one
that has failed (learn.microsoft.com, "Troubleshoot common issues in Azure Container Instances", 2026): the exit code is
written down, and a second run ends at once with it.
"""

from __future__ import annotations

import shlex

from chalicelib.providers.base import ADDRESS, Container, Task, Volume

VOLUME, PATH = "sparkanywhere", "/.sparkanywhere"  # an emptyDir of all containers: exit codes
ADDRESSED = "SPARKANYWHERE_ADDRESSED"  # names of variables in whose values the address is put
FILES = "sparkanywhere-files"  # the init container that lays out files a secret volume cannot hold as they are
SOURCES, TARGETS = "/.sparkanywhere-files", "/.sparkanywhere-volumes"
SPARK_ENTRYPOINT = "/opt/entrypoint.sh"

_ADDRESS = "address=$(hostname -i) address=${address%% *}\n"
# POSIX sh; the container's name is $0.
_BEGIN = f"""
{_ADDRESS}for name in ${ADDRESSED}; do
  eval "value=\\$$name"
  export "$name=$(printf %s "$value" | sed "s/{ADDRESS}/$address/g")"
done
left=$#
while [ $left -gt 0 ]; do
  word=$1 left=$((left - 1))
  shift
  case "$word" in *{ADDRESS}*) word=$(printf %s "$word" | sed "s/{ADDRESS}/$address/g") ;; esac
  set -- "$@" "$word"
done
"""
# The signal may end a wait and not the command, whose end is known once: then wait says 127.
_RUN = """
told= child=
trap 'told=1; [ -z "$child" ] || { before_stop; kill -s TERM "$child" 2>/dev/null; }' TERM
"$@" &
child=$!
wait "$child" 2>/dev/null  # of a death by a signal the shell would tell
code=$?
while [ -n "$told" ]; do
  told=
  wait "$child" 2>/dev/null
  ended=$?
  [ $ended = 127 ] || code=$ended
done
"""


def command(container: Container) -> list[str]:
    """Return a container's command as Azure is told it; empty where the image starts what it likes."""
    words = [*(container.command or ()), *(container.args or ())]
    if not words:
        return []
    guard = f'mark="{PATH}/$0"\n' if container.restart == "never" and not container.init else "mark=\n"
    script = guard + '[ -z "$mark" ] || [ ! -s "$mark" ] || exit "$(cat "$mark")"\n' + _BEGIN
    if not container.command:
        script += f'[ ! -x {SPARK_ENTRYPOINT} ] || set -- {SPARK_ENTRYPOINT} "$@"\n'
    if container.working_dir:
        script += f"cd {shlex.quote(container.working_dir)} || exit 128\n"
    script += f"before_stop() {{ {shlex.join(container.stop_command or ('true',))}; }}\n{_RUN}"
    script += '[ -z "$mark" ] || echo $code > "$mark"\nexit $code\n'
    return ["/bin/sh", "-c", script, container.name, *words]


def addressed(container: Container) -> str:
    """Return the names of a container's variables that hold the task's address."""
    return " ".join(name for name, value in container.env if ADDRESS in value)


def is_plain(volume: Volume) -> bool:
    """Return whether a secret volume can hold a volume's files: no folders, no programs, no address in them."""
    return not any("/" in each.path or each.mode & 0o111 or ADDRESS.encode() in each.content for each in volume.files)


def layout(task: Task) -> str:
    """Return the script that lays out the files of the other volumes, "" where there are none."""
    lines = []
    for volume in task.volumes:
        if volume.kind == "files" and not is_plain(volume):
            for number, file in enumerate(volume.files):
                target = shlex.quote(f"{TARGETS}/{volume.name}/{file.path}")
                lines.append(f'mkdir -p "$(dirname {target})"')
                put = f"s/{ADDRESS}/$address/g" if ADDRESS.encode() in file.content else ""
                source = f"{SOURCES}/{volume.name}/{number}"
                lines.append(f'sed "{put}" {source} > {target}' if put else f"cp {source} {target}")
                lines.append(f"chmod {file.mode:o} {target}")
    return "\n".join(["set -e", _ADDRESS, *lines]) if lines else ""
