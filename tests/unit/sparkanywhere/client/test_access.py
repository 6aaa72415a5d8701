"""The rule of which control plane a command talks to, row by row."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sparkanywhere.client.access import Choice, NothingHere, choose, find_target, known_places, place
from sparkanywhere.client.default_context import default_context, default_file, set_default_context
from sparkanywhere.client.kube_client import NoAccess
from sparkanywhere.client.server_records import HeldRecord, ServerRecord

Environ = dict[str, str]
KUBECONFIG = """
clusters: [{name: c, cluster: {server: 'https://prod/'}}, {name: d, cluster: {server: 'https://dev'}}]
contexts:
- {name: prod, context: {cluster: c, user: u, namespace: jobs}}
- {name: dev, context: {cluster: d}}
users: [{name: u, user: {token: secret}}]
current-context: prod
"""


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    """A user whose kubeconfig has a current context."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(KUBECONFIG)
    return {"HOME": str(tmp_path), "SPARKANYWHERE_STATE": str(tmp_path / "state")}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., HeldRecord]]:
    """A function that lets a server of an instance live."""
    held: list[HeldRecord] = []

    def start(instance: str = "default", *, is_temporary: bool = False) -> HeldRecord:
        url = f"http://{instance}"
        record = ServerRecord(
            url=url, instance=instance, provider="none", started_at=len(held), is_temporary=is_temporary, token="t"
        )
        held.append(HeldRecord(tmp_path / "state" / instance, record))
        return held[-1]

    yield start
    for each in held:
        each.withdraw()


@pytest.mark.parametrize(
    ("option", "variable", "used", "name", "why"),
    [
        ("a", "b", "c", "a", "--on"),
        ("", "b", "c", "b", "SPARKANYWHERE_CONTEXT"),
        ("", "", "c", "c", "`sparkanywhere use`"),
        ("", "", "", "laptop", ""),
        ("laptop", "b", "c", "laptop", "--on"),
    ],
)
def test_the_nearest_word_counts(environ: Environ, option: str, variable: str, used: str, name: str, why: str) -> None:
    set_default_context(environ, used)

    assert choose({**environ, "SPARKANYWHERE_CONTEXT": variable}, option) == Choice(name, why)


def test_a_context_is_used_as_the_kubeconfig_has_it(environ: Environ) -> None:
    target = find_target(environ, context="prod")

    assert (target.access.url, target.access.token, target.namespace) == ("https://prod", "secret", "jobs")
    assert target.where == "on prod (https://prod)"
    assert find_target(environ, context="prod", namespace="mine").namespace == "mine"


def test_a_living_server_is_found_without_a_word(environ: Environ, serve: Callable[..., HeldRecord]) -> None:
    serve()

    target = find_target(environ)

    assert (target.access.url, target.access.token, target.where) == ("http://default", "t", "on this laptop")


@pytest.mark.parametrize("kubeconfig", [None, "/nonexistent", "HOME"])
def test_a_current_context_is_never_used_unless_it_is_named(environ: Environ, kubeconfig: str | None) -> None:
    if kubeconfig:
        environ["KUBECONFIG"] = kubeconfig.replace("HOME", f"{environ['HOME']}/.kube/config")

    with pytest.raises(NothingHere, match="No server runs on this laptop: `sparkanywhere serve` starts one"):
        find_target(environ)


def test_a_server_that_ended_is_as_if_it_had_never_been(environ: Environ, serve: Callable[..., HeldRecord]) -> None:
    first, second = serve(), serve("other")

    second.withdraw()
    assert find_target(environ).access.url == "http://default"

    first.withdraw()
    with pytest.raises(NothingHere):
        find_target(environ)


@pytest.mark.parametrize(
    ("running", "named", "instance", "found"),
    [
        (["default", "b"], "", "", "http://default"),
        (["default", "b"], "laptop", "", "http://default"),
        (["default", "b"], "laptop/b", "", "http://b"),
        (["default", "b"], "", "b", "http://b"),
        (["default", "b"], "laptop", "b", "http://b"),
        (["b"], "", "", "http://b"),
        (["b", "c"], "", "", "choose one by --on laptop/b or --on laptop/c"),
        (["b"], "", "c", "No server of instance c runs"),
        (["b"], "laptop/c", "", "No server of instance c runs"),
    ],
)
def test_of_several_servers_that_of_our_own_instance_counts_or_the_only_one(
    environ: Environ, serve: Callable[..., HeldRecord], running: list[str], named: str, instance: str, found: str
) -> None:
    for each in running:
        serve(each)
    environ["SPARKANYWHERE_INSTANCE"] = instance

    if found.startswith("http"):
        assert find_target(environ, context=named).access.url == found
    else:
        with pytest.raises(NoAccess, match=found):
            find_target(environ, context=named)


def test_a_server_of_one_command_takes_no_jobs_of_others_but_can_be_looked_at(
    environ: Environ, serve: Callable[..., HeldRecord]
) -> None:
    serve("job-1", is_temporary=True)

    with pytest.raises(NothingHere):
        find_target(environ, lasting=True)
    assert find_target(environ).where == "on this laptop, instance job-1"

    serve("lasting")
    assert find_target(environ, lasting=True).access.url == find_target(environ).access.url == "http://lasting"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("prdo", "; did you mean 'prod'? `sparkanywhere contexts`"),
        ("lptop", "; did you mean 'laptop' or 'laptop/b'? `sparkanywhere contexts`"),
        ("laptob/b", "; did you mean 'laptop/b'"),
        ("zzz", ". `sparkanywhere contexts`"),
    ],
)
def test_an_unknown_name_comes_with_those_that_are_like_it(
    environ: Environ, serve: Callable[..., HeldRecord], name: str, hint: str
) -> None:
    serve("b")

    with pytest.raises(NoAccess) as refusal:
        find_target(environ, context=name)

    assert f"No context {name!r} (set by --on) in {environ['HOME']}/.kube/config{hint}" in str(refusal.value)


def test_a_default_that_is_gone_says_how_to_go_back(environ: Environ) -> None:
    set_default_context(environ, "gone")

    with pytest.raises(NoAccess, match=r"set by `sparkanywhere use`.*`sparkanywhere use laptop` goes back"):
        find_target(environ)


@pytest.mark.parametrize(
    ("running", "rows"),
    [
        ([], [("laptop", "", "no server runs here; `sparkanywhere run` starts one of its own")]),
        (["default"], [("laptop", "http://default", "server of yours, process")]),
        (["b"], [("laptop", "http://b", "leads to laptop/b"), ("laptop/b", "http://b", "server of yours, process")]),
        (
            ["b", "c"],
            [
                ("laptop", "", "several servers run here, so one is to be named"),
                ("laptop/c", "http://c", "server of yours, process"),
                ("laptop/b", "http://b", "server of yours, process"),
            ],
        ),
    ],
)
def test_every_name_is_known_with_its_server_and_source(
    environ: Environ, serve: Callable[..., HeldRecord], running: list[str], rows: list[tuple[str, str, str]]
) -> None:
    for each in running:
        serve(each)

    *local, dev, prod = sorted(known_places(environ), key=lambda each: each.name in ("prod", "dev"))

    assert [(each.name, each.server) for each in local] == [row[:2] for row in rows]
    assert all(each.source.startswith(row[2]) for each, row in zip(local, rows, strict=True))
    assert {dev.name: dev.server, prod.name: prod.server} == {"prod": "https://prod/", "dev": "https://dev"}
    assert dev.source == f"{environ['HOME']}/.kube/config"


def test_a_place_is_told_without_going_there(environ: Environ) -> None:
    kubeconfig = {
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://a"}}],
        "users": [{"name": "u", "user": {"exec": {"command": "/nonexistent"}}}],
    }
    (Path(environ["HOME"]) / "own").write_text(json.dumps(kubeconfig))

    assert place({"KUBECONFIG": f"{environ['HOME']}/own"}, Choice("a")) == "on a (https://a)"
    assert place(environ, Choice("laptop/b")) == "on this laptop, instance b"


def test_the_default_is_kept_in_a_file_of_ones_own(environ: Environ, tmp_path: Path) -> None:
    set_default_context(environ, "prod")

    assert default_context(environ) == "prod"
    assert default_file(environ) == tmp_path / ".config" / "sparkanywhere" / "context"
    assert stat.S_IMODE(default_file(environ).stat().st_mode) == 0o600

    set_default_context(environ, "")
    set_default_context(environ, "")
    assert default_context(environ) == ""
    assert list(default_file(environ).parent.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "home"), [("/xdg", "/xdg"), ("relative", "/home/ada/.config"), ("", "/home/ada/.config")]
)
def test_the_file_is_where_xdg_says(given: str, home: str) -> None:
    environ = {"XDG_CONFIG_HOME": given, "HOME": "/home/ada"}

    assert default_file(environ) == Path(home) / "sparkanywhere" / "context"


@pytest.mark.parametrize("write", [False, True])
def test_a_default_that_cannot_be_kept_is_one_sentence(environ: Environ, write: bool) -> None:
    default_file(environ).mkdir(parents=True)

    with pytest.raises(NoAccess, match="sparkanywhere/context"):
        set_default_context(environ, "prod") if write else choose(environ)
