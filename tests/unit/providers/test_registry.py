"""Providers are found by name, by entry point and by module, and nothing else in the project knows one by name."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.providers import registry
from chalicelib.providers.extensions import BindsLate
from chalicelib.providers.registry import UnknownProvider

PROJECT = Path(__file__).resolve().parents[3]
OTHERS = sorted(
    path
    for room in ("chalicelib", "sparkanywhere", "tools")
    for path in (PROJECT / room).rglob("*.py")
    if PROJECT / "chalicelib" / "providers" not in path.parents
)


def test_the_default_comes_first() -> None:
    assert registry.built_in() == ("process", "azure", "docker", "fargate", "none", "slurm")


@pytest.mark.parametrize("name", registry.built_in())
def test_a_provider_is_called_as_its_package(name: str) -> None:
    declaration = registry.find(name)

    assert declaration.name == name
    assert re.fullmatch("[a-z]([a-z0-9-]*[a-z0-9])?", name)
    assert declaration.summary


@pytest.mark.parametrize("name", registry.built_in())
def test_it_says_together_what_belongs_together(name: str) -> None:
    declaration = registry.find(name)

    assert bool(declaration.clean_up) == bool(declaration.leavings)
    assert declaration.is_remote or not declaration.payload


def test_a_module_is_found_by_its_dotted_name() -> None:
    assert registry.find("tests.example_provider").name == "example"


def test_an_installed_package_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "another-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n")
    group = f"[{registry.ENTRY_POINTS}]\nexample = tests.example_provider:DECLARATION\n"
    (info / "entry_points.txt").write_text(group)
    monkeypatch.syspath_prepend(tmp_path)
    caches = (registry.known, registry._entry_points)
    for cached in caches:
        cached.cache_clear()

    names, found = registry.names(), registry.known("example")

    for cached in caches:
        cached.cache_clear()
    assert names == (*registry.built_in(), "example")
    assert found is registry.find("tests.example_provider")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise RuntimeError('broken')", "cannot be loaded (RuntimeError: broken)"),
        ("DECLARATION = 7", "does not lead to a ProviderDeclaration"),
        (
            "from dataclasses import replace\nfrom tests.example_provider import DECLARATION as D\n"
            "DECLARATION = replace(D, name='Bad Name!')",
            "whose name is a DNS label",
        ),
    ],
)
def test_a_provider_that_cannot_be_loaded_breaks_nothing_but_itself(
    source: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_provider.py").write_text(source)
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\nbroken = broken_provider:DECLARATION\n")
    monkeypatch.syspath_prepend(tmp_path)
    caches = (registry.find, registry.known, registry._entry_points)
    for cached in caches:
        cached.cache_clear()

    try:
        assert [each.name for each in registry.declarations()] == list(registry.built_in())
        with pytest.raises(UnknownProvider) as refusal:
            registry.find("broken")
        assert why in str(refusal.value)
    finally:
        sys.modules.pop("broken_provider", None)
        for cached in caches:
            cached.cache_clear()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("podman", "no provider is called 'podman': take process, azure, docker, fargate, none, slurm, or"),
        ("no.such.module", "provider 'no.such.module' cannot be loaded (ModuleNotFoundError: No module named 'no'"),
        ("os.path", "provider 'os.path' cannot be loaded (AttributeError: module 'posixpath' has no attribute"),
    ],
)
def test_an_unknown_name_is_answered_by_the_known_ones(name: str, words: str) -> None:
    with pytest.raises(UnknownProvider) as caught:
        registry.find(name)

    assert str(caught.value).startswith(words)
    assert "process, azure, docker, fargate, none, slurm" in str(caught.value)


def test_a_name_that_a_server_told_us_imports_no_module() -> None:
    assert registry.known("tests.example_provider") is None
    assert registry.known("") is None


@pytest.mark.parametrize(("node", "name"), [("fargate", "fargate"), ("fargate-arm64", "fargate"), ("docker", "docker")])
def test_a_node_leads_to_its_provider(node: str, name: str) -> None:
    found = registry.of_node(node)

    assert found is not None
    assert found.name == name


def test_a_cluster_of_others_has_none_of_our_nodes() -> None:
    assert registry.of_node("ip-10-0-3-9.ec2.internal") is None


def test_declarations_load_no_backend() -> None:
    program = (
        "import sys; from chalicelib.providers import registry; list(registry.declarations());"
        "print(sorted({each.partition('.')[0] for each in sys.modules} & {'boto3', 'docker', 'psutil', 'requests'}))"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, check=True)

    assert done.stdout == b"[]\n"


def test_nothing_else_decides_by_a_providers_name() -> None:
    found = [
        f"{path.relative_to(PROJECT)}: {ast.unparse(node)}"
        for path in OTHERS
        for node in _decisions(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert len(OTHERS) > 100
    assert found == []


def _decisions(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield comparisons with, cases of and choices among names of providers."""
    for node in ast.walk(tree):
        is_choice = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("Choice", "startswith")
        if is_choice or isinstance(node, ast.Compare | ast.MatchValue):
            texts = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
            named = texts & set(registry.built_in())
            # "none" is a word of HTTP's too.
            if named - {"none"} or (named and "provider" in ast.unparse(node).lower()):
                yield node


@pytest.mark.parametrize("name", registry.built_in())
def test_a_declaration_says_whether_its_provider_binds_late(name: str) -> None:
    module = importlib.import_module(f"chalicelib.providers.{name}.provider")
    classes = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]

    assert any(issubclass(each, BindsLate) for each in classes) is registry.find(name).binds_late
