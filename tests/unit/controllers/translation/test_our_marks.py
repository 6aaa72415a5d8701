"""A misspelt name of ours brings a Warning; what means something brings none."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.our_marks import mark_warnings

TEMPLATE = {"spec": {"template": {"metadata": {"annotations": {"sparkanywhere.io/kep-warm": "10m"}}}}}


def marked(*names: str, where: str = "annotations") -> JSON:
    return {"metadata": {"name": "a", where: {f"sparkanywhere.io/{name}": "1" for name in names}}}


@pytest.mark.parametrize(
    ("resource", "obj", "expected"),
    [
        ("pods", marked("max-usd", "park", "zone", "zones", "fallback", "inject", "ttl"), []),
        ("pods", marked("application", where="labels"), []),
        ("secrets", marked("delete-at-end"), []),
        ("nodes", marked("quotas", "provider"), []),
        (
            "pods",
            marked("max-used"),
            [
                "metadata.annotations[sparkanywhere.io/max-used]: means nothing on pods:"
                " did you mean sparkanywhere.io/max-usd?"
            ],
        ),
        (
            "pods",
            marked("aplication", where="labels"),
            [
                "metadata.labels[sparkanywhere.io/aplication]: means nothing on pods:"
                " did you mean sparkanywhere.io/application?"
            ],
        ),
        (
            "namespaces",
            marked("max-usd"),
            ["metadata.annotations[sparkanywhere.io/max-usd]: means nothing on namespaces"],
        ),
        ("services", marked("qqq"), ["metadata.annotations[sparkanywhere.io/qqq]: means nothing on services"]),
        (
            "serviceaccounts",
            marked("ttl"),
            ["metadata.annotations[sparkanywhere.io/ttl]: means nothing on serviceaccounts"],
        ),
        (
            "jobs",
            TEMPLATE,
            [
                "spec.template.metadata.annotations[sparkanywhere.io/kep-warm]: means nothing on jobs:"
                " did you mean sparkanywhere.io/keep-warm?"
            ],
        ),
        (
            "cronjobs",
            {"spec": {"jobTemplate": TEMPLATE}},
            [
                "spec.jobTemplate.spec.template.metadata.annotations[sparkanywhere.io/kep-warm]: means nothing on"
                " cronjobs: did you mean sparkanywhere.io/keep-warm?"
            ],
        ),
        (
            "podtemplates",
            {"template": marked("zons")},
            [
                "template.metadata.annotations[sparkanywhere.io/zons]: means nothing on podtemplates:"
                " did you mean sparkanywhere.io/zones?"
            ],
        ),
        ("pods", {"metadata": {"annotations": {"example.com/max-used": "1"}}}, []),
        ("pods", {"metadata": {"annotations": "no"}, "spec": []}, []),
        ("jobs", {"metadata": {}, "spec": {"template": None}}, []),
    ],
)
def test_what_means_nothing_is_told(resource: str, obj: JSON, expected: list[str]) -> None:
    assert mark_warnings(resource, obj) == expected
