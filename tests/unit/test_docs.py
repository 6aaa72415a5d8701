"""What the pages say exists: settings, commands, options, links; and every page that the code refers to is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from chalicelib.config import PREFIX, Settings
from chalicelib.providers import registry
from chalicelib.storage import stores
from sparkanywhere.__main__ import main
from sparkanywhere.client.access import VARIABLE
from tools import job_options_page, settings_page

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted((PROJECT / "docs").rglob("*.md"))
ALL_PAGES = [*PAGES, *sorted(PROJECT.glob("*.md"))]
# Read by the tests alone.
TEST_VARIABLES = {"SPARKANYWHERE_REQUIRE_TOOLS", "SPARKANYWHERE_CONFORMANCE", "SPARKANYWHERE_TEST_SEED"}
SOURCES = ("app.py", "chalicelib", "sparkanywhere", "benchmarks", "tools", "tests", "examples", "images", "terraform")
TEXTS = (".py", ".sh", ".tf", ".js", ".html", ".yaml", "Dockerfile")
PAGE_OF_OURS = re.compile(r"(?<![\w/.*-])((?:docs/)?[\w-]+\.md)\b(?! (?:of|in) )")  # "x.md of Y" is of elsewhere
# A path in inline code; <placeholders> are not looked at, and * stands for any name.
FILE_OF_OURS = re.compile(r"(?<![\w/.:-])((?:chalicelib|sparkanywhere|tests|docs)/[\w./*-]*)(?![\w./*<{-])")
OPTION = re.compile(r"(?<=\s)(--?[a-z][a-z-]*)")
COMMAND = re.compile(r"(?:^|\s|/)sparkanywhere ([a-z-]+)((?: [^`\n]*)?)", re.MULTILINE)


# Of each message that the page of troubles quotes, the words that the code says.
MESSAGES = (
    "is not there.",
    "needs its main class: --class com.example.Main.",
    "is not a memory size: write 512m or 4g",
    "is not of the form key=value.",
    "in the job file",
    "could not be fetched:",
    "and this control plane keeps files of",
    "cannot be read:",
    "runs on this laptop:",
    "did not answer:",
    "Several servers run on this laptop: choose one by",
    "is not installed.",
    "Can't listen on",
    "uses this state folder",
    "which is not installed here: run",
    "nodes are available",
    "MountVolume.SetUp failed for volume",
    "must be an amount of US dollars above 0",
    "exceeded budget: pod",
    "Pod was active on the node longer than the specified deadline",
    "its CPU limit is not enforced in process mode",
    "needs a connection that stays open, which this control plane cannot give",
    "has no Spark UI:",
    "Pods of this control plane have no lasting place for event logs:",
    "comes without Spark Connect: --spark must be 4.0 or newer.",
)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_that_is_explained_is_one_that_the_code_says(message: str) -> None:
    told = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    sources = [path for folder in ("chalicelib", "sparkanywhere") for path in (PROJECT / folder).rglob("*.py")]

    assert message in told
    assert any(message in path.read_text(encoding="utf-8") for path in sources)


def test_the_page_of_settings_is_what_the_code_says() -> None:
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page(), "make docs writes it anew"


def test_the_page_of_job_options_and_the_schema_are_what_the_code_says() -> None:
    page, schema = job_options_page.PAGE, job_options_page.SCHEMA

    assert page.read_text(encoding="utf-8") == job_options_page.page(), "make docs writes it anew"
    assert schema.read_text(encoding="utf-8") == job_options_page.schema_text(), "make docs writes it anew"


@pytest.mark.parametrize("path", ALL_PAGES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_setting_that_is_mentioned_exists(path: Path) -> None:
    own = [registry.find(name).settings for name in registry.built_in()]
    own += [stores.find(name).settings for name in stores.names()]
    kinds = [Settings, *(kind for kind in own if kind)]
    settings = {f"{PREFIX}{each.name.upper()}" for kind in kinds for each in fields(kind)}

    mentioned = set(re.findall(rf"{PREFIX}[A-Z_]+", path.read_text(encoding="utf-8")))

    assert mentioned <= settings | TEST_VARIABLES | {VARIABLE}


@pytest.mark.parametrize("path", ALL_PAGES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_to_a_file_or_heading_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))

    assert [link for link in links if "://" not in link and not _leads_somewhere(path, link)] == []


@pytest.mark.parametrize("path", ALL_PAGES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_file_that_is_named_exists(path: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8"))
    named = [name for span in spans for name in FILE_OF_OURS.findall(span)]

    assert [name for name in named if not any(PROJECT.glob(name.rstrip("./")))] == []


def test_every_page_that_the_sources_refer_to_exists() -> None:
    dangling = [
        f"{path.relative_to(PROJECT)}: {name}"
        for path in _sources()
        for name in PAGE_OF_OURS.findall(path.read_text(encoding="utf-8"))
        if not any((folder / name).exists() for folder in (PROJECT, PROJECT / "docs", path.parent))
    ]

    assert dangling == []


def test_the_sources_refer_to_nothing_that_only_its_authors_had() -> None:
    phrase = re.compile(r"design note|README's sources|see the notes", re.IGNORECASE)

    found = [path for path in _sources() if phrase.search(path.read_text(encoding="utf-8"))]

    assert [str(path.relative_to(PROJECT)) for path in found if path != Path(__file__)] == []


@pytest.mark.parametrize("path", ALL_PAGES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_command_and_option_that_is_told_exists(path: Path) -> None:
    context = click.Context(main)
    for name, rest in _commands(path.read_text(encoding="utf-8")):
        command = main.get_command(context, name)
        while isinstance(command, click.Group) and (verb := rest.lstrip("` ").partition(" ")[0]):
            command, rest = command.get_command(context, verb.strip("`")), rest.lstrip("` ").partition(" ")[2]
        assert isinstance(command, click.Command), f"{path.name} tells of `sparkanywhere {name}`"
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help", "-h"}
        ours, theirs = _at_the_program(command, rest)
        assert set(re.findall(OPTION, ours)) <= known, f"{path.name}: sparkanywhere {name}"
        assert not set(re.findall(OPTION, theirs)) & known, f"{path.name}: an option of ours behind the program"


@pytest.mark.parametrize("path", ALL_PAGES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_make_target_that_is_told_exists(path: Path) -> None:
    verbs = set(re.findall(r"^([a-z0-9-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    told = set(re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]+)", path.read_text(encoding="utf-8"), re.MULTILINE))

    assert told <= verbs


def test_the_example_dag_is_python() -> None:
    source = (PROJECT / "examples" / "airflow_dag.py").read_text(encoding="utf-8")

    assert "KubernetesPodOperator(" in source
    compile(source, "airflow_dag.py", "exec")


def _at_the_program(command: click.Command, line: str) -> tuple[str, str]:
    """Return a line up to the program that a command runs, and what follows, which is the program's."""
    if command.name != "run":
        return f" {line}", ""
    flags = {name for each in command.params if getattr(each, "is_flag", False) for name in each.opts}
    words = line.split()
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 1 if words[at] in flags or "=" in words[at] else 2
    return f" {' '.join(words[:at])}", f" {' '.join(words[at + 1 :])}"


def _leads_somewhere(page: Path, link: str) -> bool:
    """Return whether the file of a relative link is there, and a page's heading that it names."""
    name, _, heading = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists():
        return False
    return not heading or target.suffix != ".md" or heading in _anchors(target.read_text(encoding="utf-8"))


def _anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _sources() -> Iterator[Path]:
    for name in SOURCES:
        top = PROJECT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and path.name.endswith(TEXTS):
                yield path


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the rest of each `sparkanywhere` command in inline code and code blocks."""
    fenced = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^    (.*)$", text, re.MULTILINE)
    for line in [*code, *(line for block in fenced for line in block.splitlines())]:
        for name, rest in COMMAND.findall(line):
            yield name, rest.split(" -- ")[0]


def test_every_decision_has_a_number_of_its_own() -> None:
    folder = PROJECT / "docs" / "decisions"

    numbers = [file.name[:4] for file in sorted(folder.glob("[0-9]*.md"))]

    assert len(numbers) == len(set(numbers))
    assert [file.read_text().partition(".")[0] for file in sorted(folder.glob("[0-9]*.md"))] == [
        f"# {int(number)}" for number in numbers
    ]
