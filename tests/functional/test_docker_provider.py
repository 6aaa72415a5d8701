"""What the Docker provider promises beyond the contract, on a real engine."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.providers.base import (
    Container,
    File,
    Mount,
    ProviderUnavailable,
    Task,
    TaskNotFound,
    TaskRejected,
    TaskState,
    Volume,
    VolumeKind,
)
from chalicelib.providers.docker import labels, sessions
from chalicelib.providers.docker.cleanup import down
from chalicelib.providers.docker.engine import connect, mounts_parts
from chalicelib.providers.docker.provider import DockerProvider
from chalicelib.providers.interactive import Streams
from tests.contract.provider_backends import container, ended, running, state_of, task
from tests.docker_proxy import EngineProxy
from tests.functional.docker_tasks import BEYOND_MEMORY, Open, ours, output
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


class TestCrashes:
    def test_what_was_created_and_not_started_is_started_by_the_next(
        self, open_provider: Open, control_plane: str, engine: Any
    ) -> None:
        first = open_provider()
        first._launcher.close()  # it dies between creating and starting
        wanted = task(
            container("cat /v/f", mounts=(Mount("v", "/v"),)), volumes=(Volume("v", "files", (File("f", b"there"),)),)
        )
        handle = first.run(wanted).handle
        first.close()
        assert [item["State"] for item in ours(engine, control_plane)] == ["created"]

        second = open_provider()

        assert ended(second, handle).containers[0].exit_code == 0
        assert output(second, handle) == "there"

    def test_what_was_half_made_is_removed_and_made_anew(
        self, open_provider: Open, control_plane: str, engine: Any
    ) -> None:
        wanted = task(
            container("cat /v/f", mounts=(Mount("v", "/v"),)), volumes=(Volume("v", "files", (File("f", b"there"),)),)
        )
        first = open_provider()
        first._launcher.close()
        first.run(wanted)
        first.close()
        (made,) = ours(engine, control_plane)
        raw = engine.inspect_container(made["Id"])
        engine.remove_container(made["Id"], v=True)
        config = {**raw["Config"], "HostConfig": raw["HostConfig"]}  # the same, without the copied file
        config["HostConfig"]["Mounts"] = [dict(config["HostConfig"]["Mounts"][0], Source="")]
        engine.create_container_from_config(config, made["Names"][0].lstrip("/"))

        second = open_provider()

        assert second.list_tasks() == []
        handle = second.run(wanted).handle
        assert ended(second, handle).containers[0].exit_code == 0
        assert output(second, handle) == "there"

    def test_init_containers_go_on_after_a_crash(self, open_provider: Open) -> None:
        first = open_provider()
        handle = first.run(task(container("sleep 1", name="first", init=True), container("echo after"))).handle
        running(first, handle, "first")
        first.close()

        second = open_provider()

        assert ended(second, handle).containers[1].exit_code == 0

    def test_a_running_task_is_adopted_with_its_labels_and_address(self, open_provider: Open) -> None:
        first = open_provider()
        handle = first.run(task(container("sleep 600"))).handle
        before = running(first, handle)
        first.close()

        second = open_provider()
        after = state_of(second, handle)

        assert (after.phase, after.address, after.labels) == ("running", before.address, before.labels)
        assert after.version > before.version
        other = second.run(task(container("sleep 600")))
        assert other.address != after.address


# the SDK leaves a socket to the garbage collector for each attempt to reach an engine that is not there
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestTheEngineGoesAway:
    @pytest.fixture
    def proxy(self, tmp_path: Path) -> Iterator[EngineProxy]:
        proxy = EngineProxy(tmp_path / "engine.sock")
        yield proxy
        proxy.cut()

    def test_it_is_told_waited_for_and_caught_up_with(
        self, open_provider: Open, proxy: EngineProxy, engine: Any, control_plane: str
    ) -> None:
        provider = open_provider(connect=lambda: connect(proxy.url))
        seen: list[TaskState] = []
        provider.start(seen.append)
        handle = provider.run(task(container("sleep 600"))).handle
        running(provider, handle)

        proxy.cut()
        until(lambda: _is_unavailable(lambda: provider.describe([handle])), "it is told")
        assert _is_unavailable(lambda: provider.run(task(container("exit 0"))))
        assert _is_unavailable(lambda: provider.list_tasks())
        (made,) = ours(engine, control_plane)
        engine.kill(made["Id"], "SIGKILL")
        proxy.mend()

        until(lambda: seen[-1].phase == "stopped", "the end is seen")
        assert seen[-1].containers[0].exit_code == 137

    def test_a_container_removed_meanwhile_is_missed(
        self, open_provider: Open, proxy: EngineProxy, engine: Any, control_plane: str
    ) -> None:
        provider = open_provider(connect=lambda: connect(proxy.url))
        handle = provider.run(task(container("sleep 600"))).handle
        running(provider, handle)

        proxy.cut()
        (made,) = ours(engine, control_plane)
        engine.remove_container(made["Id"], force=True)
        proxy.mend()

        until(lambda: not _is_unavailable(lambda: provider.describe([handle])), "it is back")
        assert ended(provider, handle).reason == "ContainerRemoved"


def _is_unavailable(call: Callable[[], object]) -> bool:
    try:
        call()
    except ProviderUnavailable:
        return True
    return False


class TestOthersHands:
    def test_a_container_removed_behind_our_back_ends_its_task_and_says_so(
        self, provider: DockerProvider, engine: Any, control_plane: str
    ) -> None:
        handle = provider.run(task(container("sleep 600"))).handle
        running(provider, handle)

        (made,) = ours(engine, control_plane)
        engine.remove_container(made["Id"], force=True)

        state = ended(provider, handle)
        (one,) = state.containers
        if one.reason == "Error":  # the engine has told of the kill while the container was still there
            assert (state.reason, one.exit_code) == ("", 137)
        else:
            assert (state.reason, one.reason) == ("ContainerRemoved", "ContainerRemoved")

    def test_what_is_not_ours_is_left_alone(self, open_provider: Open, engine: Any, control_plane: str) -> None:
        config = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {"Init": True}}
        strange = engine.create_container_from_config(config)["Id"]
        config["Labels"] = {labels.CONTROL_PLANE: f"{control_plane}-other", labels.UID: "x"}
        neighbour = engine.create_container_from_config(config)["Id"]
        try:
            provider = open_provider()
            known = provider.list_tasks()
            down(engine, control_plane)

            assert known == []
            assert {engine.inspect_container(each)["State"]["Status"] for each in (strange, neighbour)} == {"created"}
        finally:
            for each in (strange, neighbour):
                engine.remove_container(each, force=True)

    def test_nothing_is_left_of_a_removed_task(self, provider: DockerProvider, engine: Any, control_plane: str) -> None:
        mounts = (Mount("s", "/s"), Mount("f", "/f"), Mount("f", "/part", sub_path="x"))
        wanted = task(
            container("sleep 600", mounts=mounts),
            container("sleep 600", name="other", mounts=mounts),
            volumes=(Volume("s", "scratch"), Volume("f", "files", (File("x", b""),))),
        )
        handle = provider.run(wanted).handle
        running(provider, handle)

        provider.remove(handle)

        assert ours(engine, control_plane) == []
        wanted_label = {"label": f"{labels.CONTROL_PLANE}={control_plane}"}
        assert not engine.volumes(filters=wanted_label)["Volumes"]
        assert provider.describe([handle]) == []

    def test_down_leaves_no_network_either(self, open_provider: Open, engine: Any, control_plane: str) -> None:
        provider = open_provider()
        provider.run(task(container("sleep 600")))
        provider.close()

        removed = down(engine, control_plane)

        assert (removed.containers, removed.networks) == (1, 1)
        assert not engine.networks(filters={"label": f"{labels.CONTROL_PLANE}={control_plane}"})

    def test_down_detaches_what_keeps_the_network(self, open_provider: Open, engine: Any, control_plane: str) -> None:
        provider = open_provider()
        network = provider._network.name
        config = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {"Init": True}}
        strange = engine.create_container_from_config(config)["Id"]
        try:
            engine.connect_container_to_network(strange, network)
            engine.start(strange)
            provider.close()

            assert down(engine, control_plane).networks == 1
            assert engine.inspect_container(strange)["State"]["Running"]
        finally:
            engine.remove_container(strange, force=True)

    def test_down_finds_its_way_through_starts_that_are_cut_off(
        self, open_provider: Open, engine: Any, control_plane: str
    ) -> None:
        provider = open_provider()
        for _ in range(20):  # an engine may keep the endpoint of a container that is removed while it starts
            handle = provider.run(task(container("sleep 600"))).handle
            for each in provider._containers.of_task(handle):
                provider._containers.remove(each)
        provider.close()

        assert down(engine, control_plane).networks == 1


class TestContainers:
    def test_nobody_holds_a_container_that_has_ended_unnoticed(self, provider: DockerProvider, engine: Any) -> None:
        handle = provider.run(task(container("true"))).handle
        ended(provider, handle)
        (snapshot,) = provider._cache.snapshots(handle)

        with pytest.raises(TaskNotFound, match="has ended"):
            sessions.hold(engine, snapshot, Streams())

    def test_more_memory_than_the_limit_is_told_as_such(self, provider: DockerProvider) -> None:
        handle = provider.run(task(container(BEYOND_MEMORY, memory_mib=16))).handle

        (only,) = ended(provider, handle).containers

        assert (only.exit_code, only.reason) == (137, "OOMKilled")

    def test_a_program_that_is_not_there_is_named(self, provider: DockerProvider) -> None:
        handle = provider.run(task(container("", command=("/no/such",)))).handle

        (only,) = ended(provider, handle).containers

        assert (only.exit_code, only.reason) == (127, "ContainerCannotRun")
        assert "/no/such" in only.message

    def test_a_user_that_is_not_there_is_a_failed_start(self, provider: DockerProvider) -> None:
        handle = provider.run(task(container("id", user="nobody-here"))).handle

        state = ended(provider, handle)

        assert state.reason == "StartError"
        assert "nobody-here" in state.message

    def test_security_settings_hold(self, provider: DockerProvider) -> None:
        script = "id -u; grep -E 'NoNewPrivs|CapEff' /proc/self/status; touch /x || echo read-only"
        wanted = container(
            script, user="185:0", read_only_root=True, no_new_privileges=True, drop_capabilities=("ALL",)
        )

        handle = provider.run(task(wanted)).handle
        ended(provider, handle)

        lines = output(provider, handle).split("\n")
        assert "185" in lines
        assert "CapEff:\t0000000000000000" in lines
        assert "NoNewPrivs:\t1" in lines
        assert "read-only" in lines

    def test_orphans_are_reaped(self, provider: DockerProvider) -> None:
        orphan = "sh -c 'sh -c \"exit 0\" & exec sleep 1' & first=$!; kill -9 $first; wait; sleep 1"
        script = f"{orphan}; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l; cat /proc/1/comm"

        handle = provider.run(task(container(script))).handle
        ended(provider, handle)

        assert output(provider, handle) == "0\ndocker-init\n"

    def test_secrets_do_not_show_in_what_the_engine_tells(
        self, provider: DockerProvider, engine: Any, control_plane: str
    ) -> None:
        wanted = task(
            container("sleep 600", mounts=(Mount("s", "/s"),)),
            volumes=(Volume("s", "files", (File("token", b"hush-hush"),)),),
        )
        handle = provider.run(wanted).handle
        running(provider, handle)

        (made,) = ours(engine, control_plane)

        assert "hush-hush" not in json.dumps(engine.inspect_container(made["Id"]))

    def test_containers_of_a_task_share_localhost(self, provider: DockerProvider) -> None:
        server = container("echo hello | nc -l -p 7777", name="server")
        client = container("until nc 127.0.0.1 7777; do sleep 0.05; done")

        handle = provider.run(task(server, client)).handle
        ended(provider, handle)

        assert output(provider, handle) == "hello\n"

    def test_a_sidecar_that_ends_first_takes_no_network_with_it(self, provider: DockerProvider) -> None:
        gone = container("exit 0", name="gone")
        script = "sleep 0.5; ip -4 addr show eth0 | grep -c inet"

        handle = provider.run(task(gone, container(script))).handle
        ended(provider, handle)

        assert output(provider, handle) == "1\n"

    def test_a_task_with_a_domain_has_its_whole_name(self, provider: DockerProvider) -> None:
        script = "hostname; hostname -f; awk '/hn-0/ {print $1, $2, $3}' /etc/hosts"
        many = (container(script), container("true", name="other"))
        for containers in (many, many[:1]):
            plain = task(*containers)

            state = provider.run(
                Task(plain.uid, "ns", "p", containers, hostname="hn-0", domain="hn.ns.svc.cluster.local")
            )
            ended(provider, state.handle)

            whole = "hn-0.hn.ns.svc.cluster.local"
            assert output(provider, state.handle) == f"hn-0\n{whole}\n{state.address} {whole} hn-0\n"

    def test_tasks_find_each_other_and_the_control_plane_by_name(self, open_provider: Open) -> None:
        provider = open_provider(host_names=("kubernetes.default.svc",))
        named = task(container("sleep 600"))
        first = provider.run(Task(named.uid, "default", "a", named.containers, hostname="exec-1"))
        running(provider, first.handle)
        script = (
            "nslookup -type=a exec-1 | awk '/^Address/ {a=$2} END {print a}';"
            " awk '/kubernetes.default.svc/ {print $1}' /etc/hosts"
        )

        handle = provider.run(task(container(script))).handle
        ended(provider, handle)

        found = output(provider, handle).split()
        assert found == [first.address, *provider.listen_addresses]

    def test_memory_volumes_are_in_memory_and_shared(self, provider: DockerProvider) -> None:
        mounts = (Mount("m", "/m"),)
        writer = container("echo kept > /m/f", name="writer", init=True, mounts=mounts)
        reader = container("cat /m/f; df /m | tail -1 | cut -d' ' -f1", mounts=mounts)

        handle = provider.run(task(writer, reader, volumes=(Volume("m", "memory", size_mib=4),))).handle
        ended(provider, handle)

        assert output(provider, handle) == "kept\ntmpfs\n"

    def test_a_folder_of_the_machine_is_mounted_if_allowed(self, open_provider: Open, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("there\n")
        volumes = (Volume("h", "host", source=str(tmp_path)),)
        wanted = task(container("cat /h/f", mounts=(Mount("h", "/h", read_only=True),)), volumes=volumes)

        with pytest.raises(TaskRejected):
            open_provider().run(wanted)
        provider = open_provider(host_paths=(str(tmp_path),))
        handle = provider.run(wanted).handle
        ended(provider, handle)

        assert output(provider, handle) == "there\n"

    @pytest.mark.parametrize("kind", ["scratch", "named"])
    def test_a_link_in_a_volume_leads_to_nothing_of_the_host(
        self, provider: DockerProvider, engine: Any, tmp_path: Path, kind: VolumeKind
    ) -> None:
        (tmp_path / "secret").write_text("the host's")
        volumes = (Volume("v", kind, source="claim"),)
        plant = container(f"ln -s {tmp_path} /v/link", name="plant", init=True, mounts=(Mount("v", "/v"),))
        read = container("cat /part/secret || true", mounts=(Mount("v", "/part", sub_path="link"),))

        wanted = task(plant, read, volumes=volumes)

        if mounts_parts(engine):
            handle = provider.run(wanted).handle
            ended(provider, handle)
            assert "the host's" not in output(provider, handle)
        else:
            with pytest.raises(TaskRejected, match="Docker engine 26"):
                provider.run(wanted)

    def test_files_cannot_be_changed_by_a_users_program(self, provider: DockerProvider) -> None:
        wanted = task(
            container("echo x > /f/a || echo refused", user="185", mounts=(Mount("f", "/f"),)),
            volumes=(Volume("f", "files", (File("a", b"1"),)),),
        )

        handle = provider.run(wanted).handle
        ended(provider, handle)

        assert "refused" in output(provider, handle)


def test_a_task_larger_than_the_machine_waits(provider: DockerProvider) -> None:
    wanted = Task(str(uuid.uuid4()), "default", "big", (Container("main", "busybox"),), memory_mib=10**9)

    with pytest.raises(ProviderUnavailable) as error:
        provider.run(wanted)

    assert "Insufficient memory" in error.value.message


def test_a_bad_image_name_is_no_crash(provider: DockerProvider) -> None:
    with pytest.raises(TaskRejected) as error:
        provider.run(task(container("exit 0", image="UPPER/case::x")))

    assert error.value.reason == "InvalidImageName"
