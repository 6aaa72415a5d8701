"""What every Provider that starts real programs promises about them."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.providers.base import (
    ADDRESS,
    Container,
    ContainerState,
    File,
    LogOptions,
    Mount,
    Provider,
    Restart,
    TaskNotFound,
    TaskState,
    Volume,
)
from chalicelib.providers.extensions import Restarter, VolumeKeeper
from tests.contract.provider_backends import ProviderFactory, container, ended, running, state_of, task
from tests.waiting import until

pytestmark = pytest.mark.timeout(60)


def output(provider: Provider, handle: str, name: str = "main", **options: object) -> str:
    """Return a container's log."""
    return b"".join(provider.logs(handle, name, LogOptions(**options))).decode()  # type: ignore[arg-type]


def said(provider: Provider, handle: str, text: str, name: str = "main") -> None:
    """Wait until a container has said something."""
    until(lambda: text in output(provider, handle, name), f"{text!r} from {name}")


class TestEnds:
    @pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("TERM", 143), ("SEGV", 139), ("INT", 130)])
    def test_death_by_a_signal_is_128_and_its_number(self, containers: Provider, signal: str, code: int) -> None:
        handle = containers.run(task(container(f"kill -{signal} $$; sleep 600"))).handle

        assert ended(containers, handle).containers[0].exit_code == code

    def test_a_program_that_does_not_exist_fails_its_container(self, containers: Provider) -> None:
        handle = containers.run(task(container("", command=("/no/such/program",)))).handle

        (only,) = ended(containers, handle).containers

        assert only.exit_code not in (None, 0)
        assert only.phase == "stopped"

    def test_a_program_may_handle_sigterm(self, containers: Provider) -> None:
        script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
        handle = containers.run(task(container(script))).handle
        said(containers, handle, "ready")

        containers.stop(handle, grace_seconds=20)

        assert ended(containers, handle).containers[0].exit_code == 7
        assert "bye" in output(containers, handle)

    def test_who_ignores_sigterm_is_killed_after_the_grace(self, containers: Provider) -> None:
        script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
        handle = containers.run(task(container(script))).handle
        said(containers, handle, "ready")

        containers.stop(handle, grace_seconds=0.2)

        assert ended(containers, handle).containers[0].exit_code == 137

    def test_a_second_stop_may_shorten_the_grace(self, containers: Provider) -> None:
        script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
        handle = containers.run(task(container(script))).handle
        said(containers, handle, "ready")

        containers.stop(handle, grace_seconds=600)
        containers.stop(handle, grace_seconds=0.1)

        assert ended(containers, handle).containers[0].exit_code == 137

    def test_the_stop_command_runs_before_sigterm(self, containers: Provider) -> None:
        script = "trap 'cat order; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
        mount = (Mount("shared", "/shared"),)
        one = container(script, mounts=mount, working_dir="/shared", stop_command=("sh", "-c", "echo first > order"))
        handle = containers.run(task(one, volumes=(Volume("shared", "scratch"),))).handle
        said(containers, handle, "ready")

        containers.stop(handle, grace_seconds=20)
        ended(containers, handle)

        assert "first" in output(containers, handle)


class TestLogs:
    def test_both_streams_are_one_in_order(self, containers: Provider) -> None:
        # a container engine reads two pipes: what is written within the same moment may change places
        script = "for i in 1 2 3; do echo out$i; sleep 0.3; echo err$i >&2; sleep 0.3; done"
        handle = containers.run(task(container(script))).handle
        ended(containers, handle)

        expected = "".join(f"out{i}\nerr{i}\n" for i in range(1, 4))
        assert output(containers, handle) == expected

    def test_a_last_line_without_end_is_kept_as_it_is(self, containers: Provider) -> None:
        handle = containers.run(task(container("printf 'no end'"))).handle
        ended(containers, handle)

        assert output(containers, handle) == "no end"

    def test_a_long_line_comes_back_whole(self, containers: Provider) -> None:
        script = "head -c 100000 /dev/zero | tr '\\0' x; echo; echo after"
        handle = containers.run(task(container(script))).handle
        ended(containers, handle)

        assert output(containers, handle) == "x" * 100_000 + "\nafter\n"

    def test_timestamps_have_nanoseconds(self, containers: Provider) -> None:
        before = datetime.now(UTC)
        handle = containers.run(task(container("echo hello"))).handle
        ended(containers, handle)

        line = output(containers, handle, timestamps=True)

        match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z hello\n", line)
        assert match
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
        assert abs(moment - before) < timedelta(seconds=60)

    def test_lines_since_a_moment(self, containers: Provider) -> None:
        script = "echo old; sleep 0.3; echo new"
        handle = containers.run(task(container(script))).handle
        ended(containers, handle)
        stamps = output(containers, handle, timestamps=True).splitlines()
        second = datetime.fromisoformat(stamps[1].split(" ")[0])

        assert output(containers, handle, since=second - timedelta(milliseconds=1)) == "new\n"
        assert output(containers, handle, since=second + timedelta(hours=1)) == ""

    def test_following_goes_on_until_the_end(self, containers: Provider) -> None:
        script = "echo one; sleep 0.3; echo two; sleep 0.1; printf three"
        handle = containers.run(task(container(script))).handle

        assert output(containers, handle, follow=True) == "one\ntwo\nthree"
        assert ended(containers, handle).phase == "stopped"

    def test_following_may_begin_before_the_start(self, containers: Provider) -> None:
        first = container("sleep 0.3", name="first", init=True)
        handle = containers.run(task(first, container("echo hello"))).handle

        assert output(containers, handle, follow=True) == "hello\n"

    def test_following_from_the_last_line(self, containers: Provider) -> None:
        script = "echo one; echo two; sleep 0.5; echo three"
        handle = containers.run(task(container(script))).handle
        said(containers, handle, "two")

        assert output(containers, handle, follow=True, tail_lines=1) == "two\nthree\n"

    def test_following_ends_at_the_moment_asked_for(self, containers: Provider) -> None:
        handle = containers.run(task(container("echo one; sleep 600"))).handle
        said(containers, handle, "one")

        until_moment = datetime.now(UTC) + timedelta(seconds=0.3)

        assert output(containers, handle, follow=True, until=until_moment) == "one\n"
        assert state_of(containers, handle).phase == "running"

    def test_a_follower_that_goes_away_leaves_the_task_alone(self, containers: Provider) -> None:
        handle = containers.run(task(container("echo one; sleep 600"))).handle

        pieces = containers.logs(handle, "main", LogOptions(follow=True))
        until(lambda: b"one" in next(pieces), "the first line")
        pieces.close()  # type: ignore[attr-defined]  # it is a generator wherever following needs one

        assert state_of(containers, handle).phase == "running"

    def test_output_that_outlives_its_size_limit_keeps_the_newest(self, containers: Provider) -> None:
        script = "i=0; while [ $i -lt 8000 ]; do echo line$i; i=$((i+1)); done"
        handle = containers.run(task(container(script))).handle
        ended(containers, handle)

        lines = output(containers, handle).splitlines()

        assert lines[-1] == "line7999"
        first = int(lines[0].removeprefix("line"))
        assert lines == [f"line{number}" for number in range(first, 8000)]


class TestSeveralContainers:
    def test_init_containers_run_one_after_the_other_before_the_rest(self, containers: Provider) -> None:
        shared = (Mount("shared", "/shared"),)

        def says(name: str) -> Container:
            return container(f"sleep 0.1; echo {name} >> /shared/order", name=name, init=True, mounts=shared)

        last = container("cat /shared/order", mounts=shared)
        ordered = task(says("one"), says("two"), last, volumes=(Volume("shared", "scratch"),))
        handle = containers.run(ordered).handle

        state = ended(containers, handle)

        assert output(containers, handle) == "one\ntwo\n"
        assert [one.exit_code for one in state.containers] == [0, 0, 0]

    def test_a_failed_init_container_ends_the_task(self, containers: Provider) -> None:
        handle = containers.run(
            task(
                container("exit 9", name="first", init=True),
                container("exit 0", name="second", init=True),
                container("echo never"),
            )
        ).handle

        state = ended(containers, handle)

        assert [one.exit_code for one in state.containers] == [9, None, None]
        assert [one.phase for one in state.containers] == ["stopped", "waiting", "waiting"]

    def test_a_task_is_pending_while_its_init_containers_run(self, containers: Provider) -> None:
        handle = containers.run(task(container("sleep 600", name="first", init=True), container("exit 0"))).handle

        state = running(containers, handle, "first")

        assert state.phase == "pending"
        assert state.containers[1].phase == "waiting"

    def test_a_stop_during_init_starts_nothing_more(self, containers: Provider) -> None:
        handle = containers.run(task(container("sleep 600", name="first", init=True), container("exit 0"))).handle
        running(containers, handle, "first")

        containers.stop(handle, grace_seconds=10)
        state = ended(containers, handle)

        assert state.containers[1].started_at is None

    def test_containers_reach_each_other_by_the_tasks_address(self, containers: Provider) -> None:
        shared = (Mount("shared", "/shared"),)
        one = container(f"echo {ADDRESS} > /shared/a", name="one", mounts=shared)
        two = container("until [ -s /shared/a ]; do sleep 0.02; done; cat /shared/a", name="two", mounts=shared)

        handle = containers.run(task(one, two, volumes=(Volume("shared", "scratch"),))).handle
        state = ended(containers, handle)

        assert output(containers, handle, "two").strip() == state.address


class TestRestarts:
    def test_a_failing_container_is_restarted(self, containers: Provider) -> None:
        script = "[ -e /keep/b ] && exit 0; [ -e /keep/a ] && touch /keep/b; touch /keep/a; exit 1"
        one = container(script, restart="on-failure", mounts=(Mount("keep", "/keep"),))
        handle = containers.run(task(one, volumes=(Volume("keep", "scratch"),))).handle

        (only,) = ended(containers, handle).containers

        assert only.exit_code == 0
        assert only.restarts == 2

    def test_a_container_that_succeeds_is_not_restarted_on_failure(self, containers: Provider) -> None:
        handle = containers.run(task(container("exit 0", restart="on-failure"))).handle

        assert ended(containers, handle).containers[0].restarts == 0

    def test_a_container_may_be_restarted_always(self, containers: Provider) -> None:
        handle = containers.run(task(container("exit 0", restart="always"))).handle

        until(lambda: state_of(containers, handle).containers[0].restarts >= 2, "two restarts")
        containers.stop(handle, grace_seconds=5)

        assert ended(containers, handle).phase == "stopped"

    def test_the_wait_before_a_restart_is_told(self, containers: Provider) -> None:
        seen: list[TaskState] = []
        containers.start(seen.append)
        handle = containers.run(task(container("exit 3", restart="always"))).handle

        def waits() -> list[ContainerState]:
            found = [one for state in seen for one in state.containers]
            return [one for one in found if (one.phase, one.reason) == ("waiting", "CrashLoopBackOff")]

        until(lambda: bool(waits()), "the wait")
        assert state_of(containers, handle).phase == "running"
        waiting = waits()[0]
        assert re.fullmatch(r"back-off ([\d.]+s )?restarting failed container=main", waiting.message)
        assert waiting.last is not None
        assert (waiting.last.phase, waiting.last.exit_code, waiting.last.reason) == ("stopped", 3, "Error")
        assert waiting.last.started_at is not None
        assert waiting.last.finished_at is not None

    def test_the_log_before_the_last_restart_can_be_read(self, containers: Provider) -> None:
        script = "if [ -e /keep/x ]; then echo second; sleep 600; else touch /keep/x; echo first; exit 1; fi"
        one = container(script, restart="on-failure", mounts=(Mount("keep", "/keep"),))
        handle = containers.run(task(one, volumes=(Volume("keep", "scratch"),))).handle
        said(containers, handle, "second")

        assert output(containers, handle) == "second\n"
        assert output(containers, handle, previous=True) == "first\n"

    def test_there_is_no_previous_log_without_a_restart(self, containers: Provider) -> None:
        handle = containers.run(task(container("exit 0"))).handle

        with pytest.raises(TaskNotFound):
            containers.logs(handle, "main", LogOptions(previous=True))


COUNTING = "echo x >> /keep/runs; "  # how often a container ran
KEEP = (Mount("keep", "/keep"),)


class TestRestarter:
    @staticmethod
    def _begin(containers: Provider, script: str, restart: Restart) -> str:
        """Start a task of two containers, of which `main` runs the script; return its handle when both run."""
        one = container(COUNTING + script, restart=restart, mounts=KEEP)
        other = container("sleep 600", name="other")
        handle = containers.run(task(one, other, volumes=(Volume("keep", "scratch"),))).handle
        said(containers, handle, "ready")
        running(containers, handle, "other")
        return handle

    @staticmethod
    def _restart(containers: Provider, handle: str, *, grace_seconds: float) -> None:
        assert isinstance(containers, Restarter)
        containers.restart(handle, "main", grace_seconds=grace_seconds)

    @pytest.mark.parametrize("restart", ["always", "on-failure"])
    def test_one_container_runs_anew_and_the_others_on(self, containers: Provider, restart: Restart) -> None:
        seen: list[TaskState] = []
        containers.start(seen.append)
        handle = self._begin(containers, "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done", restart)
        first, other = running(containers, handle, "main").containers

        self._restart(containers, handle, grace_seconds=20)

        def runs_anew() -> bool:
            now = state_of(containers, handle).containers[0]
            assert first.started_at is not None
            return now.phase == "running" and now.started_at is not None and now.started_at > first.started_at

        until(runs_anew, "another run")
        said(containers, handle, "ready")
        assert output(containers, handle) == output(containers, handle, previous=True) == "ready\n"
        assert state_of(containers, handle).containers[1] == other
        assert {state.phase for state in seen if state.containers[0].started_at} == {"running"}
        assert all(state.containers[0].reason != "CrashLoopBackOff" for state in seen)

    def test_a_container_that_ignores_the_signal_is_killed(self, containers: Provider) -> None:
        seen: list[TaskState] = []
        containers.start(seen.append)
        handle = self._begin(containers, "trap '' TERM; echo ready; while :; do sleep 0.05; done", "always")

        self._restart(containers, handle, grace_seconds=0.5)

        def last() -> list[ContainerState]:
            return [state.containers[0].last for state in seen if state.containers[0].last is not None]

        until(lambda: bool(last()), "the end of the first run")
        assert last()[0].exit_code == 137

    def test_a_container_that_is_never_started_again_just_ends(self, containers: Provider) -> None:
        handle = self._begin(containers, "echo ready; sleep 600", "never")

        self._restart(containers, handle, grace_seconds=20)

        until(lambda: state_of(containers, handle).containers[0].phase == "stopped", "its end")
        main, other = state_of(containers, handle).containers
        assert (main.exit_code, main.restarts, other.phase) == (143, 0, "running")

    def test_what_does_not_run_is_not_restarted(self, containers: Provider) -> None:
        handle = containers.run(task(container("exit 0"))).handle
        ended(containers, handle)

        with pytest.raises(TaskNotFound):
            self._restart(containers, handle, grace_seconds=1)
        with pytest.raises(TaskNotFound):
            self._restart(containers, "unknown", grace_seconds=1)

    def test_a_task_that_is_stopped_meanwhile_ends(self, containers: Provider) -> None:
        handle = self._begin(containers, "trap '' TERM; echo ready; while :; do sleep 0.05; done", "always")

        self._restart(containers, handle, grace_seconds=20)
        containers.stop(handle, grace_seconds=0.5)

        assert ended(containers, handle).phase == "stopped"


class TestFiles:
    def test_files_have_content_and_mode(self, containers: Provider) -> None:
        files = (
            File("plain", b"hello"),
            File("deep/secret", b"hush", 0o600),
            File("tool", b"#!/bin/sh\necho ran\n", 0o755),
        )
        script = "cd /etc/app; cat plain deep/secret; echo; stat -c %a plain deep/secret tool; ./tool"
        one = container(script, mounts=(Mount("app", "/etc/app", read_only=True),))

        handle = containers.run(task(one, volumes=(Volume("app", "files", files=files),))).handle
        ended(containers, handle)

        assert output(containers, handle) == "hellohush\n644\n600\n755\nran\n"

    def test_a_part_of_a_volume_can_be_mounted(self, containers: Provider) -> None:
        volume = Volume("app", "files", files=(File("a/x", b"one\n"), File("b/x", b"two\n")))
        one = container(
            "cat /first/x /second",
            mounts=(Mount("app", "/first", sub_path="a"), Mount("app", "/second", sub_path="b/x")),
        )

        handle = containers.run(task(one, volumes=(volume,))).handle
        ended(containers, handle)

        assert output(containers, handle) == "one\ntwo\n"

    def test_scratch_space_is_empty_writable_and_shared_by_name(self, containers: Provider) -> None:
        shared = (Mount("s", "/cache/x"),)
        one = container(
            "ls -A /cache/x; echo hello > /cache/x/f; cat $WHERE/f", mounts=shared, env=(("WHERE", "/cache/x"),)
        )

        handle = containers.run(task(one, volumes=(Volume("s", "scratch"),))).handle
        ended(containers, handle)

        assert output(containers, handle) == "hello\n"

    def test_a_working_directory_within_a_volume_is_made(self, containers: Provider) -> None:
        one = container("touch f; ls /data/deep", working_dir="/data/deep", mounts=(Mount("s", "/data"),))

        handle = containers.run(task(one, volumes=(Volume("s", "scratch"),))).handle
        ended(containers, handle)

        assert output(containers, handle) == "f\n"

    def test_a_named_volume_outlives_its_task(self, containers: Provider) -> None:
        volume = Volume("v", "named", source="default/claim")
        mounts = (Mount("v", "/data"),)
        first = containers.run(task(container("echo kept > /data/f", mounts=mounts), volumes=(volume,))).handle
        ended(containers, first)
        containers.remove(first)

        second = containers.run(task(container("cat /data/f", mounts=mounts), volumes=(volume,))).handle
        ended(containers, second)

        assert output(containers, second) == "kept\n"

    def test_named_volumes_that_nobody_wants_are_thrown_away(self, containers: Provider) -> None:
        assert isinstance(containers, VolumeKeeper)
        volumes = (Volume("a", "named", source="wanted/one"), Volume("b", "named", source="not/wanted"))
        mounts = (Mount("a", "/a"), Mount("b", "/b"), Mount("s", "/s"))
        ours = (*volumes, Volume("s", "scratch"))
        first = containers.run(task(container("echo kept | tee /a/f /b/f", mounts=mounts), volumes=ours)).handle
        ended(containers, first)
        containers.remove(first)

        containers.keep_volumes(lambda: {"wanted/one"})

        second = containers.run(task(container("cat /a/f /b/f", mounts=mounts), volumes=ours)).handle
        ended(containers, second)
        said = output(containers, second)
        assert said.count("kept") == 1, said

    def test_the_address_stands_in_env_command_args_and_files(self, containers: Provider) -> None:
        volume = Volume("v", "files", files=(File("f", f"<{ADDRESS}>".encode()),))
        one = container(
            "",
            command=("sh", "-c", f'echo {ADDRESS} "$A" "$0" "$(cat /v/f)"'),
            args=(f"x{ADDRESS}x",),
            env=(("A", f"http://{ADDRESS}:80/"),),
            mounts=(Mount("v", "/v"),),
        )

        handle = containers.run(task(one, volumes=(volume,))).handle
        ip = ended(containers, handle).address

        assert output(containers, handle) == f"{ip} http://{ip}:80/ x{ip}x <{ip}>\n"


class TestIdentity:
    def test_tasks_have_addresses_of_their_own(self, containers: Provider) -> None:
        states = [containers.run(task(container("sleep 600"))) for _ in range(5)]

        known = [running(containers, state.handle).address for state in states]

        assert len(set(known)) == 5

    def test_the_environment_is_the_tasks_own(self, containers: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        handle = containers.run(task(container("env", env=(("MINE", "yes"),)))).handle
        ended(containers, handle)

        lines = output(containers, handle).splitlines()

        assert "MINE=yes" in lines
        assert not [line for line in lines if "hush" in line]
        assert [line for line in lines if line.startswith("PATH=")]
        assert [line for line in lines if line.startswith("HOME=")]

    def test_a_task_that_ends_while_nobody_looks_is_reported_later(self, container_factory: ProviderFactory) -> None:
        first = container_factory.open()
        handle = first.run(task(container("sleep 0.2; exit 6"))).handle
        first.close()
        until(lambda: state_of(first, handle).phase == "stopped", "its end")

        seen: list[TaskState] = []
        container_factory.open().start(seen.append)

        until(lambda: bool(seen), "a report")
        assert seen[-1].containers[0].exit_code == 6

    def test_many_tasks_at_once_all_end(self, containers: Provider) -> None:
        seen: dict[str, TaskState] = {}
        containers.start(lambda state: seen.update({state.handle: state}))
        states: list[TaskState] = []

        def start(number: int) -> None:
            states.append(containers.run(task(container(f"exit {number}"))))

        threads = [threading.Thread(target=start, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        until(lambda: len([one for one in seen.values() if one.phase == "stopped"]) == 12, "all end")
        codes = sorted(one.containers[0].exit_code or 0 for one in seen.values())
        assert codes == list(range(12))
