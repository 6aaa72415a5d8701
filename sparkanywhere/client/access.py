"""The one rule of which control plane a command talks to. docs/reference.md has it as a table.

A name that is given (--on, SPARKANYWHERE_CONTEXT), else the default of `sparkanywhere use`, else this laptop: a local
server that lives. A kubeconfig's current context is another tool's choice, and never used unless it is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkanywhere.client.default_context import default_context
from sparkanywhere.client.kube_client import Access, NoAccess
from sparkanywhere.client.server_records import ServerRecord, living_servers, state_root

if TYPE_CHECKING:  # what reads YAML is loaded where a context is named: not on a laptop's way
    from sparkanywhere.client.kubeconfigs import Kubeconfigs

LAPTOP = "laptop"
OWN_PLANE = "on this laptop, by a control plane of its own"  # where `run` works if no server runs
UNSERVED = ", where no server runs: as last known"
VARIABLE = "SPARKANYWHERE_CONTEXT"
USE = "`sparkanywhere use`"
INSTANCE_VARIABLE = "SPARKANYWHERE_INSTANCE"
DEFAULT_INSTANCE = "default"
DEFAULT_NAMESPACE = "default"


class NothingHere(NoAccess):
    """The choice is this laptop, where no server lives: `run` starts one of its own then."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The name of a control plane, and what has named it: `why` fits behind "set by", "" where nothing has."""

    name: str = LAPTOP
    why: str = ""

    @property
    def instance(self) -> str | None:
        """Return the instance of a local server that is chosen, "" for any; None if it is a kubeconfig's context."""
        first, _, instance = self.name.partition("/")
        return instance if first == LAPTOP else None


@dataclass(frozen=True, slots=True)
class Target:
    """A control plane and the namespace to work in; without a server of its own (`is_served`) it can only tell."""

    access: Access
    namespace: str = "default"
    context: str = LAPTOP
    is_served: bool = True

    @property
    def where(self) -> str:
        """Return it in words: "on this laptop", "on prod (https://...)"."""
        return where(self.context, self.access.url) + ("" if self.is_served else UNSERVED)


def where(context: str, url: str = "") -> str:
    """Return a control plane in words."""
    first, _, instance = context.partition("/")
    if first != LAPTOP:
        return f"on {context} ({url})"
    return "on this laptop" + (f", instance {instance}" if instance else "")


def choose(environ: Mapping[str, str], named: str = "") -> Choice:
    """Return which control plane is meant; `named` by --on. Whether there is one is not looked at. Raises NoAccess."""
    if named:
        return Choice(named, "--on")
    if name := environ.get(VARIABLE):
        return Choice(name, VARIABLE)
    if name := default_context(environ):
        return Choice(name, USE)
    return Choice()


def find_target(environ: Mapping[str, str], *, context: str = "", namespace: str = "", lasting: bool = False) -> Target:
    """Return the control plane to talk to, by the rule.

    `lasting` leaves out local servers that end with the command that has started them. Raises NothingHere, and NoAccess
    for a name that nothing has, or what cannot be used.
    """
    choice = choose(environ, context)
    if choice.instance is not None:
        return _on_laptop(environ, choice, namespace, lasting=lasting)
    from sparkanywhere.client.credentials import access_of

    kubeconfigs = _kubeconfigs_with(choice, environ)
    chosen = kubeconfigs.contexts[choice.name]
    access = access_of(kubeconfigs, choice.name, environ)
    return Target(access, namespace or str(chosen.body.get("namespace") or "default"), choice.name)


def namespace_of(environ: Mapping[str, str], context: str) -> str:
    """Return the namespace that a control plane's context names, without going there. Raises NoAccess."""
    choice = choose(environ, context)
    if choice.instance is not None:
        return DEFAULT_NAMESPACE
    return str(_kubeconfigs_with(choice, environ).contexts[choice.name].body.get("namespace") or DEFAULT_NAMESPACE)


def place(environ: Mapping[str, str], choice: Choice) -> str:
    """Return where a choice leads, in words, without going there. Raises NoAccess for a name that nothing has."""
    if choice.instance is not None:
        return where(choice.name)
    kubeconfigs = _kubeconfigs_with(choice, environ)
    cluster = kubeconfigs.cluster_of(kubeconfigs.contexts[choice.name])
    return where(choice.name, str(cluster.body.get("server", "")))


@dataclass(frozen=True, slots=True)
class Known:
    """A name that --on takes, its server ("" where none runs), and where it is from, in words."""

    name: str
    server: str
    source: str


def known_places(environ: Mapping[str, str]) -> list[Known]:
    """Return every control plane that can be named, this laptop first. Raises NoAccess."""
    from sparkanywhere.client.kubeconfigs import load

    try:
        target = _on_laptop(environ, Choice(), "", lasting=False)
        here = Known(LAPTOP, target.access.url, f"leads to {target.context}")
    except NothingHere:
        here = Known(LAPTOP, "", "no server runs here; `sparkanywhere run` starts one of its own")
    except NoAccess:
        here = Known(LAPTOP, "", "several servers run here, so one is to be named")
    found = {LAPTOP: here}
    for each in reversed(_living(environ)):  # of two on one state folder the first counts
        what = "server of one command" if each.is_temporary else "server of yours"
        name = local_name(each, environ)
        found[name] = Known(name, each.url, f"{what}, process {each.pid}, provider {each.provider}")
    kubeconfigs = load(environ)
    for name, context in kubeconfigs.contexts.items():
        server = str(kubeconfigs.cluster_of(context).body.get("server", ""))
        found.setdefault(name, Known(name, server, str(context.file)))  # `laptop` is ours, whatever is called so there
    return list(found.values())


def local_name(record: ServerRecord, environ: Mapping[str, str]) -> str:
    """Return the name by which a local server is chosen: `laptop`, of other instances `laptop/INSTANCE`."""
    is_own = record.instance == (environ.get(INSTANCE_VARIABLE) or DEFAULT_INSTANCE)
    return LAPTOP if is_own else f"{LAPTOP}/{record.instance}"


def _on_laptop(environ: Mapping[str, str], choice: Choice, namespace: str, *, lasting: bool) -> Target:
    """Return the server of the instance that is named, else of our own, else the only one."""
    living = [each for each in _living(environ) if not (lasting and each.is_temporary)]
    own = choice.instance or environ.get(INSTANCE_VARIABLE)
    fitting = [each for each in living if each.instance == (own or DEFAULT_INSTANCE)]
    if not fitting and not own:
        fitting = [each for each in living if not each.is_temporary] or living
    if not fitting:
        of, option = (f" of instance {own}", f" --instance {own}") if own else ("", "")
        raise NothingHere(f"No server{of} runs on this laptop: `sparkanywhere serve{option}` starts one.")
    names = list(dict.fromkeys(local_name(each, environ) for each in fitting))
    if len(names) > 1:
        raise NoAccess(f"Several servers run on this laptop: choose one by --on {' or --on '.join(names)}.")
    return _target(fitting[0], namespace, names[0])


def command_targets(environ: Mapping[str, str], namespace: str = "") -> list[Target]:
    """Return the local servers that end with the commands that have started them, the youngest first."""
    found = [each for each in reversed(_living(environ)) if each.is_temporary]
    return [_target(each, namespace, local_name(each, environ)) for each in found]


def is_here(target: Target) -> bool:
    """Return whether a control plane is a local server, and not that of a kubeconfig's context."""
    return Choice(target.context).instance is not None


def _living(environ: Mapping[str, str]) -> list[ServerRecord]:
    """Return the local servers that live, without those that only look at what an instance has stored."""
    return [each for each in living_servers(state_root(environ)) if not each.only_looks]


def _target(record: ServerRecord, namespace: str, name: str) -> Target:
    return Target(Access(record.url, record.token, record.ca_pem), namespace or DEFAULT_NAMESPACE, name)


def _kubeconfigs_with(choice: Choice, environ: Mapping[str, str]) -> Kubeconfigs:
    """Return the kubeconfigs, which have the chosen context. Raises NoAccess with the names it may be mistyped for."""
    from difflib import get_close_matches

    from sparkanywhere.client.kubeconfigs import load

    kubeconfigs = load(environ)
    if choice.name in kubeconfigs.contexts:
        return kubeconfigs
    known = [LAPTOP, *(local_name(each, environ) for each in living_servers(state_root(environ)))]
    close = get_close_matches(choice.name, dict.fromkeys([*known, *kubeconfigs.contexts]))
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
    if choice.why == USE:
        hint += f" {USE[:-1]} {LAPTOP}` goes back."
    raise NoAccess(
        f"No context {choice.name!r} (set by {choice.why}) in {kubeconfigs.where}{hint}"
        " `sparkanywhere contexts` lists all."
    )
