"""When a command's time begins: at its call, or after what had to be made ready first."""

from __future__ import annotations

import click
import pytest

from sparkanywhere.cli.terminal import BEGAN_AT, began_at, preparing
from sparkanywhere.spark.progress import Step


@pytest.mark.parametrize(("steps", "is_moved"), [((), False), (("Preparing a faster start",), True)])
def test_what_is_made_ready_once_is_no_part_of_a_commands_time(steps: tuple[str, ...], is_moved: bool) -> None:
    with click.Context(click.Command("pi")) as context:
        context.meta[BEGAN_AT] = -1.0

        with preparing() as show:
            for step in steps:
                show(Step(step))

        assert (began_at() != -1.0) == is_moved
