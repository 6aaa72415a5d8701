"""What the engine is asked to create for a task."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.providers.base import Container, File, Mount, Task, TaskRejected, Volume, VolumeKind
from chalicelib.providers.docker import container_spec, labels, mounts
from tests.unit.providers.docker.builders import host, task


def only(wanted: Task, **fields: Any) -> dict[str, Any]:
    """Return the engine's JSON for a task with one container."""
    (spec,) = container_spec.specs(wanted, address="10.0.0.9", host=host(**fields))
    return spec.config


def test_the_address_and_names_are_fixed_before_the_start() -> None:
    config = only(task(hostname="pi-1", domain="pi.ns.svc", search_domains=("ns.svc", "svc")))

    endpoint = config["NetworkingConfig"]["EndpointsConfig"]["net"]
    assert endpoint == {"IPAMConfig": {"IPv4Address": "10.0.0.9"}, "Aliases": ["pi-1"]}
    assert (config["Hostname"], config["Domainname"]) == ("pi-1", "pi.ns.svc")


def test_a_lone_container_has_no_sandbox() -> None:
    init = Container("first", "busybox", init=True)

    assert not container_spec.needs_sandbox(task(Container("main", "busybox"), init))


def test_several_containers_share_the_sandboxs_network() -> None:
    two = task(Container("one", "busybox"), Container("two", "busybox"))

    sandbox, one, second = container_spec.specs(two, address="10.0.0.9", host=host())

    assert [spec.config["Labels"][labels.ROLE] for spec in (sandbox, one, second)] == ["sandbox", "main", "main"]
    assert {one.config["HostConfig"]["NetworkMode"], second.config["HostConfig"]["NetworkMode"]} == {
        f"container:{sandbox.name}"
    }
    assert "NetworkingConfig" not in one.config
    assert "Hostname" not in one.config


def test_init_containers_come_first_whatever_their_place() -> None:
    specs = container_spec.specs(
        task(Container("main", "busybox"), Container("first", "busybox", init=True)), address="10.0.0.9", host=host()
    )

    assert [spec.config["Labels"][labels.CONTAINER] for spec in specs] == ["first", "main"]


def test_limits_are_the_engines_and_swap_is_none() -> None:
    host = only(task(Container("main", "busybox", cpu_milli=500, memory_mib=512)))["HostConfig"]

    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (500_000_000, 512 * 2**20, 512 * 2**20)


def test_more_cpus_than_there_are_is_all_there_are() -> None:
    assert only(task(Container("main", "busybox", cpu_milli=64_000)))["HostConfig"]["NanoCpus"] == 2_000_000_000


def test_security_settings_are_carried_over() -> None:
    container = Container(
        "main",
        "busybox",
        user="185:0",
        read_only_root=True,
        no_new_privileges=True,
        add_capabilities=("NET_ADMIN",),
        drop_capabilities=("ALL",),
    )

    config = only(task(container))

    host = config["HostConfig"]
    assert config["User"] == "185:0"
    assert host["ReadonlyRootfs"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["CapAdd"], host["CapDrop"]) == (["NET_ADMIN"], ["ALL"])
    assert host["Init"]


@pytest.mark.parametrize(
    ("restart", "init", "policy"),
    [
        ("never", False, "no"),
        ("on-failure", False, "on-failure"),
        ("always", False, "always"),
        ("always", True, "on-failure"),
    ],
)
def test_restart_policies_are_the_engines(restart: Any, init: bool, policy: str) -> None:
    both = task(Container("main", "busybox"), Container("it", "busybox", restart=restart, init=init))

    spec = next(s for s in container_spec.specs(both, address="", host=host()) if "_it_" in s.name)

    assert spec.config["HostConfig"]["RestartPolicy"] == {"Name": policy}


def test_the_control_planes_names_lead_to_it() -> None:
    host = only(task(host_entries=(("10.0.0.7", "db"),)), host_names=("kubernetes.default.svc",))["HostConfig"]

    assert host["ExtraHosts"] == ["kubernetes.default.svc:10.0.0.1", "db:10.0.0.7"]


def test_a_task_asks_the_name_server_where_there_is_one() -> None:
    wanted = task(search_domains=("ns.svc", "svc"))

    asking = only(wanted, name_server="10.0.0.2")["HostConfig"]

    assert (asking["Dns"], asking["DnsSearch"], asking["DnsOptions"]) == (["10.0.0.2"], ["ns.svc", "svc"], ["ndots:5"])
    for other in (
        only(wanted),
        only(task(), name_server="10.0.0.2"),
        only(replace(wanted, host_network=True), name_server="10.0.0.2"),
    ):
        assert (other["HostConfig"]["Dns"], other["HostConfig"]["DnsSearch"]) == ([], [])


def test_names_that_the_engine_would_refuse_are_made_fit() -> None:
    name = labels.container_name("cp", task(group="ä/b", name="-x y-"), "main")

    assert name.startswith("b_-x-y-_main_")
    assert name != labels.container_name("cp", task(group="ä/b", name="-x y-", uid="u2"), "main")


def test_files_and_scratch_are_copied_at_once_and_known_by_the_last() -> None:
    wanted = task(
        Container("main", "busybox", mounts=(Mount("conf", "/conf"), Mount("tmp", "/scratch"))),
        volumes=(Volume("conf", "files", (File("a/b", b"x", 0o600),)), Volume("tmp", "scratch")),
    )

    (spec,) = container_spec.specs(wanted, address="", host=host())

    with tarfile.open(fileobj=io.BytesIO(spec.archive)) as tar:
        found = [(member.name, member.mode, member.isdir()) for member in tar]
    assert found == [("conf", 0o755, True), ("conf/a/b", 0o600, False), ("scratch", 0o777, True)]
    assert json.loads(spec.config["Labels"][labels.LAST_COPY]) == ["/scratch", 0o777]
    assert [mount["Type"] for mount in spec.config["HostConfig"]["Mounts"]] == ["volume", "volume"]
    assert all(not mount["Source"] for mount in spec.config["HostConfig"]["Mounts"])


def test_what_several_mount_has_a_name() -> None:
    shared = (Mount("s", "/s"),)
    two = task(
        Container("one", "busybox", mounts=shared),
        Container("two", "busybox", mounts=shared),
        volumes=(Volume("s", "scratch"),),
    )

    _, one, second = container_spec.specs(two, address="", host=host())

    names = [spec.config["HostConfig"]["Mounts"][0]["Source"] for spec in (one, second)]
    assert names[0] == names[1] != ""


def test_memory_is_a_tmpfs_of_the_size_asked_for() -> None:
    wanted = task(
        Container("main", "busybox", mounts=(Mount("m", "/m"),)), volumes=(Volume("m", "memory", size_mib=8),)
    )

    (mount,) = only(wanted)["HostConfig"]["Mounts"]

    assert (mount["Type"], mount["TmpfsOptions"]["SizeBytes"]) == ("tmpfs", 8 * 2**20)


def test_shared_memory_is_held_while_containers_change() -> None:
    shared = (Mount("m", "/m"),)
    wanted = task(
        Container("first", "busybox", init=True, mounts=shared),
        Container("main", "busybox", mounts=shared),
        volumes=(Volume("m", "memory"),),
    )

    sandbox, first, _ = container_spec.specs(wanted, address="", host=host())

    (held,), (used,) = sandbox.config["HostConfig"]["Mounts"], first.config["HostConfig"]["Mounts"]
    assert held["Source"] == used["Source"]
    assert held["VolumeOptions"]["DriverConfig"]["Options"]["type"] == "tmpfs"


def test_a_read_only_root_and_parts_of_volumes_need_a_loader() -> None:
    volume = (Volume("v", "files", (File("a", b""),)),)
    mount = Mount("v", "/v")
    part = Mount("v", "/v", sub_path="a")

    assert not mounts.needs_loader(task(Container("m", "i", mounts=(mount,)), volumes=volume))
    assert mounts.needs_loader(task(Container("m", "i", mounts=(mount,), read_only_root=True), volumes=volume))
    assert mounts.needs_loader(task(Container("m", "i", mounts=(part,)), volumes=volume))


@pytest.mark.parametrize(
    ("source", "allowed"),
    [("/data", True), ("/data/x", True), ("/database", False), ("/data/../etc", False), ("/", False)],
)
def test_host_paths_are_those_allowed_and_below(source: str, allowed: bool) -> None:
    wanted = task(
        Container("main", "busybox", mounts=(Mount("h", "/h"),)), volumes=(Volume("h", "host", source=source),)
    )
    context = mounts.MountContext(control_plane_id="cp", host_paths=("/data",), resolve=lambda path: path)

    if allowed:
        assert only(wanted, context=context)["HostConfig"]["Mounts"][0]["Type"] == "bind"
    else:
        with pytest.raises(TaskRejected) as refusal:
            only(wanted, context=context)
        assert refusal.value.reason == "HostPathNotAllowed"


def test_a_link_below_an_allowed_folder_may_not_lead_out_of_it(tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    for folder in (allowed / "in", outside):
        folder.mkdir(parents=True)
    (allowed / "out").symlink_to(outside)
    (allowed / "across").symlink_to(allowed / "in")
    context = mounts.MountContext(control_plane_id="cp", host_paths=(str(allowed),))

    def mounted(source: Path, sub_path: str = "", *, context: mounts.MountContext = context) -> str:
        wanted = task(
            Container("main", "busybox", mounts=(Mount("h", "/h", sub_path=sub_path),)),
            volumes=(Volume("h", "host", source=str(source)),),
        )
        return str(only(wanted, context=context)["HostConfig"]["Mounts"][0]["Source"])

    assert mounted(allowed) == str(allowed)
    assert mounted(allowed / "across") == str(allowed / "across")
    for source, sub_path in ((allowed / "out", ""), (allowed, "out"), (allowed / "out" / "x", "")):
        with pytest.raises(TaskRejected):
            mounted(source, sub_path)

    far = replace(context, resolve=None)  # links cannot be looked at
    assert mounted(allowed, context=far) == str(allowed)
    with pytest.raises(TaskRejected):
        mounted(allowed / "in", context=far)


WHOLE, PART = Mount("v", "/v"), Mount("v", "/part", sub_path="a/b")


@pytest.mark.parametrize(
    ("kind", "others", "allowed"),
    [
        ("files", (WHOLE,), True),
        ("scratch", (), True),
        ("scratch", (Mount("v", "/same", sub_path="a/b/"),), True),
        ("scratch", (Mount("v", "/beside", sub_path="a/bc"),), True),
        ("scratch", (Mount("v", "/below", sub_path="a/b/c"),), False),  # PART could put a link there
        ("scratch", (replace(WHOLE, read_only=True),), True),
        ("scratch", (WHOLE,), False),
        ("scratch", (Mount("v", "/above", sub_path="a"),), False),
        ("memory", (WHOLE,), False),
        ("named", (), False),  # another task may have written to it
    ],
)
def test_a_part_is_mounted_by_its_path_only_where_nobody_can_have_put_a_link_there(
    kind: VolumeKind, others: tuple[Mount, ...], allowed: bool
) -> None:
    wanted = task(
        Container("other", "busybox", init=True, mounts=others),
        Container("main", "busybox", mounts=(PART,)),
        volumes=(Volume("v", kind, source="claim"),),
    )

    def mounted(context: mounts.MountContext) -> Any:  # Any: the engine's JSON
        specs = container_spec.specs(wanted, address="", host=host(context=context))
        return specs[-1].config["HostConfig"]["Mounts"][0]

    old = mounts.MountContext(control_plane_id="cp", folders={"v": "/volumes/v"})
    if allowed:
        assert (mounted(old)["Type"], mounted(old)["Source"]) == ("bind", "/volumes/v/a/b")
    else:
        with pytest.raises(TaskRejected) as refusal:
            mounted(old)
        assert refusal.value.reason == "SubPathNotSafe"

    new = mounted(replace(old, mounts_parts=True))
    assert (new["Type"], new["VolumeOptions"]["Subpath"]) == ("volume", "a/b")


@pytest.mark.parametrize("path", ["../x", "a/../../x"])
def test_a_file_may_not_leave_its_volume(path: str) -> None:
    wanted = task(
        Container("main", "busybox", mounts=(Mount("v", "/v"),)), volumes=(Volume("v", "files", (File(path, b""),)),)
    )

    with pytest.raises(TaskRejected):
        only(wanted)
