"""What a pod tells of its task's end."""

from __future__ import annotations

import pytest

from chalicelib.controllers.podmodel.budget import with_mark
from chalicelib.controllers.podmodel.record import has_seen_end, is_lost, lost_task, with_state
from tests.unit.controllers.builders import BEFORE, NOW, known, pod, task


@pytest.mark.parametrize("is_over_budget", [False, True])
def test_a_lost_task_has_not_been_seen_to_end_whatever_its_pod_has_failed_by(is_over_budget: bool) -> None:
    running = with_state(pod(), task("running", [known()]), node_name="n", now=BEFORE)
    assert running is not None
    marked = with_mark(running, "used $2 of $1", BEFORE) if is_over_budget else running

    lost = with_state(marked, lost_task(marked, now=NOW), node_name="n", now=NOW)

    assert lost is not None
    assert lost["status"]["phase"] == "Failed"
    assert (is_lost(lost), has_seen_end(lost)) == (True, False)
