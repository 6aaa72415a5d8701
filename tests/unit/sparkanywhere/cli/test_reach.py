"""Ways to a port of a pod."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from chalicelib.resources.pods.marks import TASK_ANNOTATION
from sparkanywhere.cli import reach
from sparkanywhere.client.access import Target
from sparkanywhere.client.tunnel import TunnelFailed


@pytest.mark.parametrize("task", [None, "", "arn:aws:ecs:r:1:task", "arn:aws:ecs:r:1:task/c"])
def test_a_pod_whose_task_is_not_known_has_no_tunnel(task: str | None) -> None:
    annotations = {} if task is None else {TASK_ANNOTATION: task}
    pod = {"metadata": {"name": "driver", "annotations": annotations}, "spec": {"nodeName": "fargate"}}

    with pytest.raises(TunnelFailed, match="pod driver does not say which task"):
        reach.forward(Mock(spec=Target), pod, 4040)
