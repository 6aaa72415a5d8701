"""Tasks while their engine ends and comes back: what is reported is what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib.providers.base import TaskState
from chalicelib.providers.docker.engine import connect
from chalicelib.providers.docker.provider import DockerProvider
from tests.contract.provider_backends import container, state_of, task
from tests.own_engine import OwnEngine, engine_with_busybox
from tests.waiting import until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.own_engine,
    pytest.mark.slow,
    # the SDK leaves a socket to the garbage collector for each attempt to reach an engine that is not there
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PATIENCE_SECONDS = 90.0  # an engine of its own starts, stops and starts again on a busy machine


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    """Yield an engine of the test's own, with an image."""
    with engine_with_busybox(tmp_path_factory.mktemp("e")) as engine:
        yield engine


@pytest.fixture
def provider(engine: OwnEngine) -> Iterator[DockerProvider]:
    """Yield a provider on that engine."""
    one = DockerProvider("restarts", connect=lambda: connect(engine.url))
    yield one
    one.close()


@pytest.mark.parametrize("end", [OwnEngine.stop, OwnEngine.kill])
def test_a_task_that_ends_with_its_engine_is_reported_and_the_next_one_runs(
    end: Callable[[OwnEngine], None], engine: OwnEngine, provider: DockerProvider
) -> None:
    seen: dict[str, TaskState] = {}
    provider.start(lambda state: seen.update({state.handle: state}))

    def is_(handle: str, phase: str) -> Callable[[], bool]:
        return lambda: handle in seen and seen[handle].phase == phase

    script = "trap 'exit 143' TERM; while :; do sleep 0.1; done"
    handle = provider.run(task(container(script))).handle
    until(is_(handle, "running"), "the task to run")
    ended = provider.run(task(container("exit 4"))).handle
    until(is_(ended, "stopped"), "the other to end")

    end(engine)
    engine.start()

    until(is_(handle, "stopped"), "its end to be seen", seconds=PATIENCE_SECONDS)
    assert seen[handle].containers[0].exit_code in (137, 143)
    assert seen[ended].containers[0].exit_code == 4
    after = provider.run(task(container("exit 5"))).handle
    until(is_(after, "stopped"), "a new task to end", seconds=PATIENCE_SECONDS)
    assert state_of(provider, after).containers[0].exit_code == 5
