"""Submitting a job through the API: the driver pod first, then what it owns; nothing is left if any of it fails."""

from __future__ import annotations

import getpass
import secrets

from chalicelib.apimachinery.status import JSON
from sparkanywhere.jobs.objects import build, owned_by
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.kube_client import ApiError, ApiUnreachable, KubeClient

SUFFIX_BYTES = 5  # ten hexadecimal digits in every name of the application


def new_suffix() -> str:
    """Return what makes an application's names unlike all others."""
    return secrets.token_hex(SUFFIX_BYTES)


def submit(client: KubeClient, spec: JobSpec, *, suffix: str) -> JSON:
    """Create the application's objects; return its driver pod as stored.

    Raises SpecError, ApiError or ApiUnreachable; then nothing of it is left.
    """
    made = build(spec, suffix=suffix, user=_user())
    base = f"/api/v1/namespaces/{spec.namespace}"
    driver = client.create(f"{base}/pods", made.driver)
    try:
        for collection, obj in made.owned:
            client.create(f"{base}/{collection}", owned_by(driver, obj))
    except (ApiError, ApiUnreachable):
        client.delete(f"{base}/pods/{driver['metadata']['name']}", gracePeriodSeconds="0")
        raise
    return driver


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "spark"
