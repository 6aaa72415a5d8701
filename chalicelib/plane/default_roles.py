"""Pure: a default role or binding as it is stored -> as this release wants it.

As a real server does when it starts (kubernetes.io/docs/reference/access-authn-authz/rbac, "Auto-reconciliation",
v1.36): what is missing is added, what others have added stays, and what they have marked is left alone. So permissions
for kinds that a release adds reach stores that an older one has made.
"""

from __future__ import annotations

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.escalation import covers

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"  # "false": leave it as it is


def reconciled(stored: JSON, wanted: JSON) -> JSON:
    """Return `stored` with what it lacks of `wanted`; the same object if that is nothing, or may not be."""
    metadata = metadata_of(stored)
    if (metadata.get("annotations") or {}).get(AUTOUPDATE) == "false" or stored.get("roleRef") != wanted.get("roleRef"):
        return stored
    changed = {**stored, "metadata": dict(metadata)}
    for field in ("labels", "annotations"):
        if given := metadata_of(wanted).get(field):
            changed["metadata"][field] = {**given, **(metadata.get(field) or {})}
    rules, subjects = stored.get("rules") or [], stored.get("subjects") or []
    if missing := [rule for rule in wanted.get("rules") or () if not covers(rules, rule)]:
        changed["rules"] = [*rules, *missing]
    if missing := [each for each in wanted.get("subjects") or () if each not in subjects]:
        changed["subjects"] = [*subjects, *missing]
    return stored if changed == stored else changed
