"""Names of applications: what commands call each, and which one a user means."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.applications import Application, list_applications

MAX_NAMED = 5  # applications in a message
SHORT_ID = 6  # characters of an id that tell the runs of one name apart


class NoSuchApplication(Failure):
    """No application has that name or id; str() says which there are."""


def shown_names(applications: Sequence[Application]) -> dict[str, str]:
    """Return by id what to call each: its name, of older ones of the same name with the end of the id."""
    names: dict[str, str] = {}
    taken = set()
    for each in applications:
        name = each.plain_name
        place = next((pod["metadata"].get("namespace", "") for pod in each.pods), ""), name
        names[each.id] = _numbered_name(each) if place in taken else name
        taken.add(place)
    return names


def _numbered_name(application: Application) -> str:
    """Return a name that no other run has."""
    return f"{application.plain_name}#{application.id[-SHORT_ID:]}"


def has_application(client: KubeClient, namespace: str, wanted: Collection[str]) -> bool:
    """Return whether one of these is there, each as find_application takes it. Raises ApiError, ApiUnreachable."""
    return any(_is_called(each, name) for each in list_applications(client, namespace) for name in wanted)


def _is_called(each: Application, wanted: str) -> bool:
    return wanted in (each.id, each.driver_name, each.name, each.job_name, each.plain_name, _numbered_name(each))


def find_application(client: KubeClient, namespace: str, wanted: str) -> Application:
    """Return the application by its id, its driver pod, its name (then the youngest) or as shown_names has it.

    Raises NoSuchApplication.
    """
    applications = list_applications(client, namespace)
    for each in applications:
        if _is_called(each, wanted):
            return each
    names = shown_names(applications)
    known = ", ".join(names[each.id] for each in applications[:MAX_NAMED]) or "none"
    more = f" and {left} more" if (left := len(applications) - MAX_NAMED) > 0 else ""
    raise NoSuchApplication(f"No application {wanted!r} in namespace {namespace}; there are: {known}{more}.")
