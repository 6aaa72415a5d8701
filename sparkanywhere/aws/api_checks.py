"""Checks of the API itself, as a client of it: reachable, ready, and the token of the context good."""

from __future__ import annotations

from collections.abc import Iterator

from sparkanywhere.aws.finding import Finding
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.client.printable import brief

LOGIN = "sparkanywhere login"


def check_ready(client: KubeClient) -> Iterator[Finding]:
    """Yield whether the API answers and its store takes writes."""
    try:
        client.text("/readyz")
    except ApiUnreachable as error:
        yield Finding("API", "failure", str(error), "sparkanywhere contexts")
    except ApiError as error:
        # Of /readyz everybody may know; a gateway without function answers 403 of its own.
        yield Finding("API", "failure", f"/readyz answers {error.code}: {brief(error)}", "sparkanywhere contexts")
    else:
        yield Finding("API", "ok", "answers, and its store takes writes")


def check_token(client: KubeClient, why_no_token: str = "") -> Iterator[Finding]:
    """Yield whether there is a token, and the API knows who we are by it.

    A user who may not list nodes is known all the same.
    """
    if why_no_token:
        yield Finding("token", "failure", why_no_token, LOGIN)
        return
    try:
        client.get("/api/v1/nodes")
    except ApiUnreachable as error:
        yield Finding("token", "unknown", str(error))
    except ApiError as error:
        if error.code == 401 or "anonymous" in str(error):
            yield Finding("token", "failure", f"the API does not know us: {brief(error)}", LOGIN)
        elif error.code == 403:
            yield Finding("token", "ok", "the API knows us, as a user who may not list nodes")
        else:
            yield Finding("token", "failure", str(error), "sparkanywhere contexts")
    else:
        yield Finding("token", "ok", "the API knows us")
