"""Jobs.

Compare kubernetes/pkg/apis/batch/v1/defaults.go, pkg/registry/batch/job/strategy.go and validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import labels_of, metadata_of, spec_of, status_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import IMMUTABLE, forbidden, immutable, invalid, not_supported, required
from chalicelib.apimachinery.rules.selectors import label_selector_causes, label_selector_of
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.pods.defaults import EMPTY_TEMPLATE, default_template
from chalicelib.resources.pods.validation import spec_warnings, template_causes
from chalicelib.resources.shared.formats import MAX_INT32
from chalicelib.resources.shared.table_text import containers_text, selector_text
from chalicelib.resources.workloads.counts import not_negative_causes
from chalicelib.resources.workloads.status_counts import CountedStatus
from chalicelib.resources.workloads.workload import CONTAINERS_COLUMN, IMAGES_COLUMN, MISMATCH

UID_LABEL, NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
OLD_UID_LABEL, OLD_NAME_LABEL = "controller-uid", "job-name"
MODES = ("Indexed", "NonIndexed")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
RETRIES = 6  # how often pods may fail before the job has
_COUNTS_TEXT = "parallelism completions activeDeadlineSeconds backoffLimit ttlSecondsAfterFinished"
_COUNTS = tuple(_COUNTS_TEXT.split())
_FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


class JobStrategy(Strategy):
    """batch/v1 jobs."""

    group, resource, singular, kind = "batch", "jobs", "job", "Job"
    pod_template = ("template",)
    in_view, edit_verbs = True, WRITE_VERBS
    categories = ("all",)
    has_generation = True
    status = CountedStatus(
        condition_times=("lastProbeTime", "lastTransitionTime"),
        counts=("active", "succeeded", "failed", "ready", "terminating"),
    )
    empty: ClassVar[JSON] = {"spec": {"template": EMPTY_TEMPLATE}, "status": {}}
    field_label_error = 'field label "{}" not supported for Job'
    orphan_warning = (
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background"
        " to remove them or set propagationPolicy=Orphan to suppress this warning"
    )
    columns = (
        NAME_COLUMN,
        Column("Status", description="Status of the job."),
        Column("Completions", description=field_doc("JobStatus.succeeded")),
        Column("Duration", description="Time required to complete the job."),
        AGE_COLUMN,
        CONTAINERS_COLUMN,
        IMAGES_COLUMN,
        Column("Selector", description=field_doc("JobSpec.selector"), priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Set counts and modes, and fill in the template."""
        spec = obj["spec"] = spec_of(obj)
        if "completions" not in spec and "parallelism" not in spec:
            spec["completions"] = 1
        spec.setdefault("parallelism", 1)
        per_index = spec.get("backoffLimitPerIndex") is not None
        spec.setdefault("backoffLimit", MAX_INT32 if per_index else RETRIES)
        spec["completionMode"] = spec.get("completionMode") or "NonIndexed"
        spec.setdefault("suspend", False)
        spec.setdefault("manualSelector", False)
        replacement = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
        spec["podReplacementPolicy"] = spec.get("podReplacementPolicy") or replacement
        spec["template"] = spec.get("template") or {}
        default_template(spec["template"])

    def prepare_for_create(self, obj: JSON) -> None:
        """Empty the status, and mark the pods to come with the job's uid, which must be set."""
        super().prepare_for_create(obj)
        if not obj["spec"]["manualSelector"]:
            metadata = obj["spec"]["template"]["metadata"]
            metadata["labels"] = {**(metadata.get("labels") or {}), **_marks(obj)}
            selector = obj["spec"]["selector"] = obj["spec"].get("selector") or {}
            uid = obj["metadata"].get("uid", "")
            selector["matchLabels"] = {**(selector.get("matchLabels") or {}), UID_LABEL: uid}
        _label_as_pods(obj)

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep status, and the marks that the server has set."""
        super().prepare_for_update(obj, old)
        spec, before = obj["spec"], spec_of(old)
        if "selector" not in spec and "selector" in before:
            spec["selector"] = before["selector"]
            labels = labels_of(before.get("template") or {})
            marks = {key: labels[key] for key in _marks(obj) if key in labels}
            metadata = spec["template"]["metadata"]
            metadata["labels"] = {**(metadata.get("labels") or {}), **marks}
        _label_as_pods(obj)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a Job."""
        spec = obj["spec"]
        yield from job_spec_causes(spec, "spec")
        selector, labels = spec.get("selector"), labels_of(spec["template"])
        if selector is None:
            yield required("spec.selector")
        wrong = label_selector_causes(selector, "spec.selector")
        yield from wrong
        if selector != {} and not wrong and not label_selector_of(selector).matches(labels):
            yield invalid("spec.template.metadata.labels", labels, MISMATCH)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold selector, template and mode; a suspended job may still be given other pods."""
        yield from self.validate(obj)
        spec = obj["spec"]
        before = spec_of(old)
        if spec["completionMode"] != "Indexed":
            yield from immutable("spec.completions", spec.get("completions"), before.get("completions"))
        elif spec.get("completions") != before.get("completions") and spec.get("completions") != spec["parallelism"]:
            why = "can only be modified in tandem with spec.parallelism"
            yield invalid("spec.completions", spec.get("completions"), why)
        yield from immutable("spec.selector", spec.get("selector"), before.get("selector"))
        may_reschedule = before.get("suspend") and not status_of(old).get("startTime")
        held = _with_directives(before.get("template") or {}, spec["template"]) if may_reschedule else None
        if spec["template"] != (held or before.get("template")):
            yield invalid("spec.template", spec["template"], IMMUTABLE)
        for key in _FIXED:
            yield from immutable(f"spec.{key}", spec.get(key), before.get(key))
        if before.get("managedBy") and spec.get("managedBy") is None:
            yield forbidden("spec.managedBy", "may not be removed")

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Yield what its pods would be warned about, and that a name is no DNS label."""
        errors = names.dns_label_errors(metadata_of(obj).get("name") or "")
        if errors:
            why = "which can result in surprising behavior; a DNS label is recommended"
            shown = ", ".join(f'"{error}"' for error in errors)
            yield f"metadata.name: this is used in Pod names and hostnames, {why}: [{shown}]"
        yield from spec_warnings(obj["spec"]["template"]["spec"], "spec.template.spec")

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return name, namespace and how many pods have succeeded."""
        succeeded = status_of(obj).get("succeeded") or 0
        return {**super().selectable_fields(obj), "status.successful": str(succeeded)}

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get jobs` shows."""
        metadata, spec, status = metadata_of(obj), spec_of(obj), status_of(obj)
        succeeded, parallelism = status.get("succeeded") or 0, spec.get("parallelism") or 0
        if spec.get("completions") is not None:
            completions = f"{succeeded}/{spec['completions']}"
        else:
            completions = f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"
        start, end = find_time(status.get("startTime")), find_time(status.get("completionTime")) or now
        return [
            metadata.get("name", ""),
            _status_text(obj),
            completions,
            meta.human_duration(end - start) if start else "",
            meta.age(metadata.get("creationTimestamp"), now),
            *containers_text(spec.get("template") or {}),
            selector_text(spec.get("selector")),
        ]


def job_spec_causes(spec: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with a Job's spec at a path, apart from its selector."""
    for key in _COUNTS:
        yield from not_negative_causes(spec.get(key), f"{at}.{key}")
    mode, replacement = spec.get("completionMode") or "NonIndexed", spec.get("podReplacementPolicy")
    if mode not in MODES:
        yield not_supported(f"{at}.completionMode", mode, MODES)
    elif mode == "Indexed" and spec.get("completions") is None:
        yield required(f"{at}.completions", "when completion mode is Indexed")
    if replacement and replacement not in REPLACEMENTS:
        yield not_supported(f"{at}.podReplacementPolicy", replacement, REPLACEMENTS)
    yield from template_causes(spec["template"], f"{at}.template")
    policy = spec["template"]["spec"]["restartPolicy"]
    field = f"{at}.template.spec.restartPolicy"
    if policy == "Always":
        yield required(field, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(field, policy, ("OnFailure", "Never"))


def _label_as_pods(job: JSON) -> None:
    """Give a job without labels those of its pods."""
    labels = job["spec"]["template"]["metadata"].get("labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def _marks(job: JSON) -> dict[str, str]:
    uid, name = job["metadata"].get("uid", ""), job["metadata"].get("name", "")
    return {UID_LABEL: uid, OLD_UID_LABEL: uid, NAME_LABEL: name, OLD_NAME_LABEL: name}


def _with_directives(template: JSON, other: JSON) -> JSON:
    """Return the template with what `other` says about where its pods go, and of its labels and annotations."""
    metadata, spec = dict(metadata_of(template)), dict(spec_of(template))
    for held, sent, keys in (
        (metadata, metadata_of(other), ("annotations", "labels")),
        (spec, spec_of(other), ("affinity", "nodeSelector", "schedulingGates", "tolerations")),
    ):
        for key in keys:
            held.pop(key, None)
        held.update({key: sent[key] for key in keys if key in sent})
    made = {**template, "spec": spec, "metadata": metadata}
    return made if metadata or "metadata" in other else {key: made[key] for key in made if key != "metadata"}


def final_condition(job: JSON) -> JSON | None:
    """Return the condition by which a Job has ended for good: of type Complete or Failed; None where it has not."""
    conditions = status_of(job).get("conditions") or ()
    ends = ("Complete", "Failed")
    return next((each for each in conditions if each.get("type") in ends and each.get("status") == "True"), None)


def _has_condition(status: JSON, kind: str) -> bool:
    return any(each.get("type") == kind and each.get("status") == "True" for each in status.get("conditions") or ())


def _status_text(job: JSON) -> str:
    status = status_of(job)
    is_deleted = bool(metadata_of(job).get("deletionTimestamp"))
    states = (
        ("Complete", _has_condition(status, "Complete")),
        ("Failed", _has_condition(status, "Failed")),
        ("Terminating", is_deleted),
        ("Suspended", _has_condition(status, "Suspended")),
        ("FailureTarget", _has_condition(status, "FailureTarget")),
    )
    return next((name for name, holds in states if holds), "Running")
