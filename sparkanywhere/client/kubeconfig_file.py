"""A context written into the user's kubeconfig, or taken out, as `kubectl config` does; all else in it stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from chalicelib.private_folder import write_private
from sparkanywhere.client.kube_client import NoAccess
from sparkanywhere.client.kubeconfigs import PARTS, load

NEW = {"apiVersion": "v1", "kind": "Config", "preferences": {}}


def set_context(environ: Mapping[str, str], name: str, *, server: str, user: dict[str, Any]) -> Path:
    """Write a context, its cluster and its user, all of one name; return the file. May be repeated.

    It goes where that context is, else into the first file. Raises NoAccess for a file that cannot be used, and where
    the name is taken by a context of another server.
    """
    known = load(environ)
    file = next(iter(known.files), None)
    if file is None:
        raise NoAccess(f"{known.where}: there is nowhere to write a context.")
    if context := known.contexts.get(name):
        file, taken = context.file, str(known.cluster_of(context).body.get("server"))
        ours = "exec" in known.user_of(context).body and context.body.get("user") == name
        if taken != server and not ours:
            raise NoAccess(f"{file} has a context {name} already, for {taken}: --context gives another name.")
    body = {"clusters": {"server": server}, "users": user, "contexts": {"cluster": name, "user": name}}
    _write(file, name, body)
    return file


def remove_context(environ: Mapping[str, str], name: str, *, server: str) -> None:
    """Take a context of that server out, with its cluster and user, if it is there. Raises NoAccess."""
    known = load(environ)
    context = known.contexts.get(name)
    if context and known.cluster_of(context).body.get("server") == server:
        _write(context.file, name, {})


def _write(file: Path, name: str, body: Mapping[str, Any]) -> None:
    """Replace the parts of that name by those of the body."""
    config = (yaml.safe_load(file.read_text()) if file.exists() else None) or dict(NEW)
    for key, part in PARTS.items():
        others = [each for each in config.get(key) or () if each["name"] != name]
        config[key] = [*others, {"name": name, part: body[key]}] if key in body else others
    if not body and config.get("current-context") == name:
        config["current-context"] = ""
    try:
        write_private(file.resolve(), yaml.safe_dump(config, sort_keys=False).encode())
    except OSError as error:
        raise NoAccess(f"{error.filename or file} cannot be written: {error.strerror}") from error
