"""Names of services in the hosts files of tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.providers.base import Container, Task
from chalicelib.providers.process.services import HostsFiles, renew, services_text
from chalicelib.providers.service_table import ServiceTable

DOMAINS = ("ns.svc.cluster.local", "svc.cluster.local", "cluster.local")
NAMES = (("web.ns.svc.cluster.local", ("127.1.1.1", "127.1.1.2")), ("db.other.svc.cluster.local", ("127.1.1.3",)))


def files(tasks: Path) -> HostsFiles:
    return HostsFiles(tasks, lambda: "")


def task(**fields: object) -> Task:
    whole = {"uid": "u", "search_domains": DOMAINS, "hostname": "me", "host_entries": (("10.0.0.7", "alias"),)} | fields
    return Task(group="ns", name="pod", containers=(Container("c", "i"),), **whole)  # type: ignore[arg-type]


def services_of(file: Path) -> dict[str, list[str]]:
    """Return the names by their addresses, of the lines that are services."""
    _, _, text = file.read_text().partition("# services")
    return {address: names for address, *names in (line.split() for line in text.splitlines()[1:])}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "u").mkdir()
    return tmp_path / "u" / "hosts"


def test_a_name_has_every_length_by_which_it_is_found(tmp_path: Path, file: Path) -> None:
    made = files(tmp_path)
    made.publish(ServiceTable(7, names=NAMES))

    made.write(task(), "127.9.9.9", file)

    web = ["web", "web.ns", "web.ns.svc", "web.ns.svc.cluster.local"]
    db = ["db.other", "db.other.svc", "db.other.svc.cluster.local"]
    assert services_of(file) == {"127.1.1.1": web, "127.1.1.2": web, "127.1.1.3": db}


def test_a_task_has_the_hosts_names_its_own_and_its_aliases(tmp_path: Path, file: Path) -> None:
    files(tmp_path).write(task(), "127.9.9.9", file)

    text = file.read_text()
    assert text.startswith(Path("/etc/hosts").read_text().rstrip("\n"))
    assert "127.9.9.9\tme\n10.0.0.7\talias\n# services" in text


def test_a_tasks_whole_name_comes_before_its_short_one(tmp_path: Path, file: Path) -> None:
    files(tmp_path).write(task(domain="sub.ns.svc.cluster.local"), "127.9.9.9", file)

    assert "\n127.9.9.9\tme.sub.ns.svc.cluster.local\tme\n10.0.0.7\talias\n" in file.read_text()


def test_a_task_that_runs_sees_what_changes_in_the_same_file(tmp_path: Path, file: Path) -> None:
    made = files(tmp_path)
    made.write(task(), "127.9.9.9", file)
    inode, own = file.stat().st_ino, file.read_text().partition("# services")[0]

    made.publish(ServiceTable(7, names=NAMES))
    assert set(services_of(file)) == {"127.1.1.1", "127.1.1.2", "127.1.1.3"}
    made.publish(ServiceTable(8, names=NAMES[1:]))

    assert set(services_of(file)) == {"127.1.1.3"}
    assert (file.stat().st_ino, file.read_text().partition("# services")[0]) == (inode, own)


def test_older_services_change_nothing(tmp_path: Path, file: Path) -> None:
    made = files(tmp_path)
    made.write(task(), "127.9.9.9", file)
    made.publish(ServiceTable(8, names=NAMES))

    made.publish(ServiceTable(7))
    assert len(services_of(file)) == 3
    made.write(task(uid="v"), "127.9.9.8", file)
    assert len(services_of(file)) == 3


def test_a_task_that_looks_nothing_up_has_no_services(tmp_path: Path, file: Path) -> None:
    made = files(tmp_path)
    made.publish(ServiceTable(7, names=NAMES))

    made.write(task(search_domains=()), "127.9.9.9", file)

    assert services_of(file) == {}
    assert services_text(ServiceTable(7, names=NAMES), ()).count("\n") == 1


def test_a_file_that_is_not_ours_stays_as_it_is(file: Path) -> None:
    file.write_text("127.0.0.1 localhost\n")

    renew(file, ServiceTable(7, names=NAMES))

    assert file.read_text() == "127.0.0.1 localhost\n"


def test_without_namespaces_there_are_no_names(tmp_path: Path) -> None:
    assert "no namespaces of their own here (a reason)" in HostsFiles(tmp_path, lambda: "a reason").problem()
