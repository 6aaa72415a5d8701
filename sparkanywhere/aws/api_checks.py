"""Checks of the API itself, as a client of it: reachable, ready, and the token of the context good."""

from __future__ import annotations

from collections.abc import Iterator

from sparkanywhere.aws.finding import Finding
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient, NotKubernetes
from sparkanywhere.client.printable import brief

LOGIN, CONTEXTS = "sparkanywhere login", "sparkanywhere contexts"


def check_ready(client: KubeClient) -> Iterator[Finding]:
    """Yield whether the API answers and its store takes writes."""
    try:
        said = client.text("/readyz").strip()
    except ApiUnreachable as error:
        yield Finding("API", "failure", str(error), CONTEXTS)
    except ApiError as error:
        # Of /readyz everybody may know; a gateway without function answers 403 of its own.
        yield Finding("API", "failure", f"/readyz answers {error.code}: {brief(error)}", CONTEXTS)
    else:
        if said == "ok":
            yield Finding("API", "ok", "answers, and its store takes writes")
        else:
            yield Finding("API", "failure", f"/readyz answers as no Kubernetes API does: {brief(said)}", CONTEXTS)


def check_token(client: KubeClient, why_no_token: str = "") -> Iterator[Finding]:
    """Yield whether there is a token, and the API knows who we are by it.

    A user who may not list nodes is known all the same.
    """
    if why_no_token:
        yield Finding("token", "failure", why_no_token, LOGIN)
        return
    try:
        kind = client.get("/api/v1/nodes").get("kind")
    except NotKubernetes as error:
        yield Finding("token", "failure", str(error), CONTEXTS)
    except ApiUnreachable as error:
        yield Finding("token", "unknown", str(error))
    except ApiError as error:
        if not error.is_status:
            text = f"no Kubernetes API answers with {error.code}: {brief(error)}"
            yield Finding("token", "failure", text, CONTEXTS)
        elif error.code == 401 or "anonymous" in str(error):
            yield Finding("token", "failure", f"the API does not know us: {brief(error)}", LOGIN)
        elif error.code == 403:
            yield Finding("token", "ok", "the API knows us, as a user who may not list nodes")
        else:
            yield Finding("token", "failure", brief(error), CONTEXTS)
    else:
        if kind == "NodeList":
            yield Finding("token", "ok", "the API knows us")
        else:
            yield Finding("token", "failure", "what answers to a list of nodes is no Kubernetes API", CONTEXTS)
