"""In place of `aws ssm start-session` where it forwards a port: tasks' addresses answer on this machine.

The box has no agent that ECS Exec would put into a task, so what AWS makes of the command is not proven by it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sparkanywhere.project import PROJECT
from tests.tcp_relay import Relay

PROGRAM = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(PROJECT)!r})
from tests.aws_box.session_manager import main
main()
"""


def installed(folder: Path) -> Path:
    """Write the program `aws` into a folder; return the folder."""
    program = folder / "aws"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return folder


def main() -> None:
    """Carry one port, as the command line says it, until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs=2)
    for option in ("--region", "--target", "--document-name", "--parameters"):
        parser.add_argument(option, required=True)
    asked = parser.parse_args()
    if asked.words != ["ssm", "start-session"] or asked.document_name != "AWS-StartPortForwardingSessionToRemoteHost":
        sys.exit(f"not known here: {sys.argv}")
    if not asked.target.startswith("ecs:") or asked.target.count("_") < 2:
        sys.exit(f"TargetNotConnected: {asked.target}")
    places = dict(each.split("=", 1) for each in asked.parameters.split(","))
    Relay(int(places["portNumber"]), host=places["host"], listens=int(places["localPortNumber"])).run()
