"""The program that puts a command into a container's namespaces: a process with one thread, as the kernel wants it.

It reads an order from one descriptor, and writes to another why the command can't be started; nothing where it runs.
"""

from __future__ import annotations

import json
import os
from typing import NoReturn, TypedDict

from chalicelib.providers.supervised.supervisor.spawning import Program, run_within


class Order(TypedDict):
    """A command to run beside the process `neighbour`, on our own standard streams."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    neighbour: int
    takes_terminal: bool


def main(orders: int, reporter: int) -> NoReturn:
    """Carry out the order and end as the command does."""
    with os.fdopen(orders, "rb") as file:
        order: Order = json.load(file)
    program = Program(order["argv"], order["env"], order["cwd"], (0, 1, 2), takes_terminal=order["takes_terminal"])
    os.set_inheritable(reporter, False)
    run_within(program, order["neighbour"], reporter=reporter)
