"""What a pod gets and may use by its service account. Compare kubernetes/plugin/pkg/admission/serviceaccount (v1.36).

The token's volume is no field of the pod here: it is added when the pod is translated into a task.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.rules.status import forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyNotFound, Reader
from chalicelib.storage.keys import object_key

DEFAULT = "default"
ENFORCE = "kubernetes.io/enforce-mountable-secrets"
TRUE = ("1", "t", "T", "TRUE", "true", "True")  # Go's strconv.ParseBool


def set_service_account(pod: JSON, now: Reader) -> None:
    """Write, in place, what a new pod gets from its service account.

    Raises 403 for an account that is not there, and for Secrets that are not the account's where it is held to them.
    `default` may be missing: a moment later it is made again.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    name = spec["serviceAccountName"] = spec["serviceAccount"] = spec.get("serviceAccountName") or DEFAULT
    namespace = metadata.get("namespace", "")
    try:
        account = now.get(object_key("serviceaccounts", namespace, name)).object()
    except KeyNotFound:
        if name == DEFAULT:
            return
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden("pods", metadata.get("name", ""), why) from None
    if annotations_of(account).get(ENFORCE) in TRUE:
        for what in _foreign_secrets(spec, account):
            why = f"{what} is not allowed because service account {name} does not reference that "
            why += "imagePullSecret" if what.startswith("imagePullSecrets") else "secret"
            raise forbidden("pods", metadata.get("name", ""), why)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = copy.deepcopy(account["imagePullSecrets"])


def _foreign_secrets(spec: JSON, account: JSON) -> Iterator[str]:
    """Yield what of a pod names Secrets that its account does not."""
    own = {each.get("name") for each in account.get("secrets") or ()}
    for volume in spec.get("volumes") or ():
        name = (volume.get("secret") or {}).get("secretName")
        if name and name not in own:
            yield f'volume with secret.secretName="{name}"'
    for kind, word in (("initContainers", "init container"), ("containers", "container")):
        for container in spec.get(kind) or ():
            for where, name in _secrets_of(container):
                if name not in own:
                    yield f'{word} {container["name"]} with {where} referencing secret.secretName="{name}"'
    logins = {each.get("name") for each in account.get("imagePullSecrets") or ()}
    for index, each in enumerate(spec.get("imagePullSecrets") or ()):
        if each.get("name") not in logins:
            yield f'imagePullSecrets[{index}].name="{each.get("name", "")}"'


def _secrets_of(container: JSON) -> Iterator[tuple[str, str]]:
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            yield f"envVar {variable['name']}", reference.get("name", "")
    for source in container.get("envFrom") or ():
        if source.get("secretRef"):
            yield "envVar", source["secretRef"].get("name", "")
