"""PodTemplates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import labels_of, metadata_of
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.pods.defaults import EMPTY_TEMPLATE, default_template
from chalicelib.resources.pods.validation import spec_warnings, template_causes
from chalicelib.resources.shared.table_text import containers_text, labels_text


class PodTemplateStrategy(Strategy):
    """core/v1 podtemplates."""

    resource, singular, kind = "podtemplates", "podtemplate", "PodTemplate"
    in_view, edit_verbs = True, WRITE_VERBS
    has_generation = returns_deleted = True
    empty: ClassVar[JSON] = {"template": EMPTY_TEMPLATE}
    columns = (
        NAME_COLUMN,
        Column("Containers", description="Names of each container in the template."),
        Column("Images", description="Images referenced by each container in the template."),
        Column("Pod Labels", description="The labels for the pod template."),
    )

    def default(self, obj: JSON) -> None:
        """Fill in the template."""
        obj["template"] = obj.get("template") or {}
        default_template(obj["template"])

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with the template."""
        return template_causes(obj["template"], "template")

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Yield what a pod of this template would be warned about."""
        return spec_warnings(obj["template"]["spec"], "template.spec")

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, containers, images and labels."""
        del now
        template = obj.get("template") or {}
        names, images = containers_text(template)
        labels = labels_text(labels_of(template))
        return [metadata_of(obj).get("name", ""), names, images, labels]
