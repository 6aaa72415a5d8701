"""A run on a server of its own, and what is known of it when that is gone: by every command, and by the next server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.local.local_server import LocalServer, ServerOptions

SECONDS = 120.0


def command(state: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as on a laptop whose state folder this is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPARKANYWHERE_")}
    environ = {**kept, "SPARKANYWHERE_STATE": str(state), "XDG_CONFIG_HOME": str(state / "config")}
    line = [sys.executable, "-m", "sparkanywhere", *arguments]
    return subprocess.run(line, env=environ, capture_output=True, text=True, timeout=SECONDS, check=check)


def test_a_run_on_a_server_of_its_own_is_known_afterwards(tmp_path: Path) -> None:
    state, program = tmp_path / "state", tmp_path / "etl.py"
    program.write_text("print('words of the program', flush=True); raise SystemExit(3)\n")
    # An image that processes cannot run: its job is ended at once.
    ran = command(state, "run", "--provider", "process", "--image", "busybox", str(program), check=False)
    assert ran.returncode != 0

    listed = command(state, "ps", "-o", "json")

    (found,) = json.loads(listed.stdout)
    assert (found["name"], found["state"]) == ("etl", "Killed")
    assert "busybox" in found["cause"]
    assert "no server runs" in listed.stderr
    assert "Killed" in command(state, "describe", "etl").stdout
    assert sorted(each.name for each in state.iterdir() if each.is_dir()) == ["default"]
    server = LocalServer(ServerOptions(state, "default"), dict(os.environ))
    try:
        client = KubeClient(server.start())
        assert len(client.get("/apis/sparkanywhere.io/v1alpha1/podrecords")["items"]) == 1
        assert client.get("/api/v1/pods")["items"] == []
    finally:
        server.stop()
