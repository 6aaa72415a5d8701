"""A command line that is wrong is answered by one sentence and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sparkanywhere.__main__ import COMMANDS, main

USAGE = 2
FILES = {
    "job.py": "print(1)\n",
    "empty.py": "",
    "notes.txt": "x",
    "page.jar": "<html>404</html>",
    "list.yaml": "[a, b]\n",
    "broken.yaml": "application: [\n",
    "slip.yaml": "application: job.py\nexecuters: 2\n",
    "nothing.yaml": "executors: 2\n",
    "vars.yaml": "application: job.py\nargs: ['${day}']\n",
    "pod.yaml": "apiVersion: v1\nkind: Pod\n",
    "bad.env": "A B=1\n",
    "folder/keep": "x",
}
ROWS = [
    # the program
    ("run", "Name what to run"),
    ("run nowhere.py", "nowhere.py is not there."),
    ("run folder", "folder is neither a .py nor a .jar file."),
    ("run empty.py", "empty.py is empty."),
    ("run notes.txt", "notes.txt is neither a .py nor a .jar file."),
    ("run page.jar", "page.jar needs its main class"),
    ("run --class C page.jar", "is not a valid jar"),
    ("run --class C job.py", "--class is for a .jar"),
    ("run run-example SparkPi", "`sparkanywhere pi` runs SparkPi"),
    # options of a job
    ("run --execturs 2 job.py", "--execturs"),
    ("run --executors two job.py", "'two' is not a valid integer"),
    ("run --executors 0 job.py", "--executors must be at least 1."),
    ("run --executor-memory 4x job.py", "--executor-memory: '4x' is not a memory size"),
    ("run --arch x86 job.py", "'x86' is not one of 'amd64', 'arm64'"),
    ("run --conf spark.x job.py", "--conf spark.x is not of the form key=value."),
    ("run --conf spark.master=yarn job.py", "--conf spark.master cannot be set"),
    ("run --max-usd five job.py", "--max-usd: 'five' is no amount"),
    ("run --packages hadoop job.py", "write group:artifact:version."),
    ("run --files nowhere.csv job.py", "nowhere.csv is not there."),
    ("run --env A job.py", "--env A is not of the form key=value."),
    ("run --env-file nowhere.env job.py", "--env-file nowhere.env is not there."),
    ("run --env-file bad.env job.py", "--env-file bad.env, line 1"),
    ("run --properties-file nowhere.conf job.py", "--properties-file nowhere.conf is not there."),
    ("run --driver-template nowhere.yaml job.py", "nowhere.yaml is not there."),
    ("run --executors", "requires an argument"),
    ("run --image 'my spark' job.py", "--image 'my spark' is no name of an image: write it like REGISTRY/NAME:TAG."),
    ("run --catalog =s3://bucket/lake job.py", "--catalog =s3://bucket/lake is unknown: glue,"),
    ("run --keep-shuffle s3:// job.py", "--keep-shuffle s3:// names no bucket."),
    ("run --max-attempts 3 --keep-warm 10m job.py", "--max-attempts may start another driver"),
    ("run --auto-size --keep-warm 10m job.py", "--auto-size may ask for larger executors"),
    ("run --auto-size --max-attempts 3 job.py", "--max-attempts tries again with the same memory"),
    ("run --status one --kill two", "--status shows an application, and --kill ends one: leave one of them out."),
    ("run --kill one job.py", "--kill one runs nothing: leave job.py out."),
    # a variable of the shell that is not set, and numbers that are none
    ("run --with '' job.py", "--with is empty: give it a value, or leave it out."),
    ("run --with , job.py", "--with is empty"),
    ("run --on '' job.py", "--on is empty"),
    ("run --max-usd ' ' job.py", "--max-usd is empty"),
    ("run --requirements= job.py", "--requirements is empty"),
    ("warm --for ''", "--for is empty"),
    ("history --events ''", "--events is empty"),
    ("advise etl --events ''", "--events is empty"),
    ("deploy aws --region ''", "--region is empty"),
    ("deploy aws --name '' --dry-run", "--name is empty"),
    ("image --with ''", "--with is empty"),
    ("image --push ''", "--push is empty"),
    ("connect --idle nan", "--idle nan is no number."),
    ("connect --idle -5", "-5.0 is not in the range"),
    ("connect --hours nan", "--hours nan is no number."),
    ("wait etl --timeout inf", "--timeout inf is no number."),
    # images
    ("image --with icberg", "--with icberg is unknown"),
    ("image 4.3.0 --with iceberg", "--with iceberg has no build for Spark 4.3.0"),
    ("image --with delta,hudi", "do not go together"),
    ("image 4.3.0-scala --with s3", "4.3.0-scala has none."),
    ("image 'bad tag'", "'bad tag' is no tag of an image: write a version of Spark, such as 4.3.0."),
    ("connect --bind nonsense", "--bind nonsense is no IP address."),
    ("connect --host 'a b'", "--host 'a b' is no name or address of a machine."),
    ("image --push 'bad name'", "--push 'bad name' is no name of an image: write REGISTRY/NAME or REGISTRY/NAME:TAG."),
    ("image --push Upper/Case", "--push 'Upper/Case' is no name"),
    ("image --push a:b:c", "--push 'a:b:c' is no name"),
    # job files
    ("run nowhere.yaml", "nowhere.yaml is not there."),
    ("run list.yaml", "A job file is a mapping of keys"),
    ("run broken.yaml", "broken.yaml cannot be read"),
    ("run slip.yaml", "Unknown key 'executers' in the job file: did you mean executors?"),
    ("run nothing.yaml", "The job file names no application"),
    ("run vars.yaml", "vars.yaml needs the variable day: --var day=VALUE."),
    ("run --var dya=1 vars.yaml", "has no variable dya: did you mean day?"),
    ("run --var day vars.yaml", "--var day is not of the form key=value."),
    ("run --var day=1 job.py", "--var is for the variables of a job file: job.py is none."),
    ("run pod.yaml", "A Pod of v1 is no job"),
    # where
    ("run --provider nope job.py", "'nope'"),
    ("run --provider process --detach job.py", "--detach would end both."),
    ("run --provider process --on prod job.py", "--on names another."),
    ("run --master yarn job.py", "--master yarn: jobs run on a control plane here"),
    ("run --master local --provider process job.py", "leave one of them out."),
    ("run -o xml job.py", "'xml' is not one of 'text', 'json'"),
    # other commands
    ("runn job.py", "Did you mean `sparkanywhere run`?"),
    ("job.py", "Did you mean `sparkanywhere run job.py`?"),
    ("logs", "Missing argument 'APPLICATION'."),
    ("logs etl --tial 2", "--tial"),
    ("logs etl --tail two", "'two' is not a valid"),
    ("logs etl --since soon", "write 90s, 10m or 1h30m."),
    ("wait etl --timeout soon", "'soon' is not a valid float"),
    ("describe etl -o xml", "'xml' is not one of"),
    ("completion tcsh", "'tcsh' is not one of"),
    ("init folder/keep/sub", "cannot be written to"),
    ("pi --instances 0", "0 is not in the range"),
    ("serve --port 99999", "99999"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that the commands run in, with the files of the rows."""
    work = tmp_path / "work"
    for name, text in FILES.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    monkeypatch.chdir(work)
    return work


def invoked(folder: Path, *words: str) -> tuple[int, list[str]]:
    """Run a command where nothing is known of a control plane; return its exit code and its lines on stderr."""
    home = folder.parent / "home"
    own = {"HOME": str(home), "KUBECONFIG": str(home / "none"), "SPARKANYWHERE_STATE": str(home / "state")}
    before = sorted(folder.rglob("*"))
    result = CliRunner().invoke(main, words, env=own)
    assert result.stdout == ""
    assert sorted(folder.rglob("*")) == before
    assert not home.exists()
    return result.exit_code, result.stderr.splitlines()


@pytest.mark.parametrize(("line", "sentence"), ROWS, ids=[line for line, _ in ROWS])
def test_a_wrong_command_line_is_one_sentence_and_leaves_nothing(folder: Path, line: str, sentence: str) -> None:
    code, lines = invoked(folder, *shlex.split(line))

    assert (code, len(lines)) == (USAGE, 1), lines
    assert lines[0].startswith("Error: ")
    assert sentence in lines[0]


def hands_on_options(name: str) -> bool:
    """Return whether a command leaves options that it does not know to a program that it starts."""
    command = main.get_command(click.Context(main), name)
    return command is not None and bool(command.context_settings.get("ignore_unknown_options"))


@pytest.mark.parametrize("name", sorted(name for name in COMMANDS if not hands_on_options(name)))
def test_every_command_answers_an_unknown_option_by_one_sentence(folder: Path, name: str) -> None:
    code, lines = invoked(folder, name, "--not-an-option")

    assert (code, len(lines)) == (USAGE, 1), lines
    assert lines[0].startswith("Error: No such option '--not-an-option'.")
