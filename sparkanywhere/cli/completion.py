"""Completion in shells: `sparkanywhere completion bash` prints the script, and these complete names that only we know.

They never print and never wait long: a shell asks them while its user types.
"""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from sparkanywhere.cli.terminal import echo

PROGRAM = "sparkanywhere"
VARIABLE = "_SPARKANYWHERE_COMPLETE"
ANSWER_SECONDS = 1.0  # for a control plane that may not be there any more
HOW = {
    "bash": 'eval "$(sparkanywhere completion bash)"   # in ~/.bashrc; bash 4.4 or newer',
    "zsh": 'eval "$(sparkanywhere completion zsh)"   # in ~/.zshrc, behind compinit',
    "fish": "sparkanywhere completion fish > ~/.config/fish/completions/sparkanywhere.fish",
}


@click.command(epilog="\b\n" + "\n".join(HOW.values()))
@click.argument("shell", type=click.Choice(list(HOW)))
def completion(shell: str) -> None:
    """Print the script that completes commands, options, applications, contexts and files in a shell."""
    kind = get_completion_class(shell)
    assert kind is not None  # click has these three
    command = click.get_current_context().find_root().command
    echo(kind(command, {}, PROGRAM, VARIABLE).source())


def applications(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the applications whose name begins so, or else driver or id; none where no control plane answers."""
    from sparkanywhere.client.access import find_target
    from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient, NoAccess
    from sparkanywhere.jobs.applications import list_applications

    typed: dict[str, Any] = context.params  # of click's values
    try:
        target = find_target(os.environ, context=typed.get("context") or "", namespace=typed.get("namespace") or "")
        client = KubeClient(target.access, answer_seconds=ANSWER_SECONDS)
        found = list_applications(client, target.namespace)
    except (NoAccess, ApiError, ApiUnreachable):
        return []
    names: dict[str, str] = {}  # commands take a name for the youngest that has it
    for each in found:
        name = each.name if each.name and each.name not in names else each.driver_name or each.id
        names[name] = each.state
    return [CompletionItem(name, help=state) for name, state in names.items() if name.startswith(incomplete)]


def contexts(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the control planes whose names begin so."""
    from sparkanywhere.client.access import known_places
    from sparkanywhere.client.kube_client import NoAccess

    try:
        known = known_places(os.environ)
    except NoAccess:
        return []
    return [CompletionItem(each.name, help=each.source) for each in known if each.name.startswith(incomplete)]
