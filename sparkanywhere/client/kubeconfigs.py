"""The user's kubeconfigs, merged as kubectl merges them: of one name in several files the first counts.

Reference: kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig, "Merging kubeconfig files".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sparkanywhere.client.kube_client import NoAccess

PARTS = {"clusters": "cluster", "contexts": "context", "users": "user"}
# of libyaml where it is there: ten times as fast, and people have kubeconfigs of hundreds of clusters
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Entry:
    """A cluster, a context or a user, and the file that it is from: its relative paths begin in that file's folder."""

    body: Mapping[str, Any]  # Any: a part of a kubeconfig as YAML
    file: Path = Path()

    def path(self, key: str) -> Path | None:
        """Return the file that a key names, None if it names none."""
        named = self.body.get(key)
        return self.file.parent / str(named) if named else None


@dataclass(frozen=True, slots=True)
class Kubeconfigs:
    """What the files have, by name, and which `files` were looked for."""

    files: tuple[Path, ...]
    contexts: dict[str, Entry] = field(default_factory=dict)
    clusters: dict[str, Entry] = field(default_factory=dict)
    users: dict[str, Entry] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Return the files in words, for a sentence."""
        return " and ".join(map(str, self.files)) or "KUBECONFIG, which names no file"

    def cluster_of(self, context: Entry) -> Entry:
        """Return the cluster of a context; an empty one if there is none of that name."""
        return self.clusters.get(str(context.body.get("cluster")), Entry({}))

    def user_of(self, context: Entry) -> Entry:
        """Return the user of a context; an empty one if there is none of that name."""
        return self.users.get(str(context.body.get("user")), Entry({}))


def kubeconfig_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return KUBECONFIG's files, or ~/.kube/config where it is not set; whether or not they exist."""
    given = environ.get("KUBECONFIG")
    if not given:
        return (Path(environ.get("HOME") or Path.home()) / ".kube" / "config",)
    return tuple(Path(name) for name in dict.fromkeys(given.split(os.pathsep)) if name)


def load(environ: Mapping[str, str]) -> Kubeconfigs:
    """Return the merged kubeconfigs; files that are missing are passed over. Raises NoAccess."""
    merged = Kubeconfigs(kubeconfig_files(environ))
    for file in merged.files:
        config = _read(file)
        for key, into in (("clusters", merged.clusters), ("contexts", merged.contexts), ("users", merged.users)):
            for each in config.get(key) or ():
                into.setdefault(each["name"], Entry(each.get(PARTS[key]) or {}, file))
    return merged


def _read(path: Path) -> dict[str, Any]:
    """Return one kubeconfig, {} if it is missing or empty. Raises NoAccess."""
    try:
        config = yaml.load(path.read_text(), Loader=LOADER)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise NoAccess(f"{path} cannot be read: {os.strerror(error.errno or 0).lower()}.") from error
    except ValueError as error:
        raise NoAccess(f"{path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise NoAccess(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if config is None:
        return {}
    for key, part in PARTS.items():
        entries = config.get(key) or [] if isinstance(config, dict) else None
        if not isinstance(entries, list) or not all(
            isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get(part) or {}, dict)
            for each in entries
        ):
            raise NoAccess(f"{path} is not a kubeconfig: {key} is a list of objects with a name and a {part}.")
        names = [each["name"] for each in entries]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise NoAccess(f"{path} is not a kubeconfig: it has two {key} of the name {twice!r}.")
    found: dict[str, Any] = config
    return found
