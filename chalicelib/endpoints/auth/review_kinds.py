"""The kinds that are only ever created and answered, never stored: one table for discovery and for the answers."""

from __future__ import annotations

from typing import NamedTuple

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"
REVIEW_VERSION = "v1"  # of all of them


class ReviewKind(NamedTuple):
    """One kind of review, and where it is posted."""

    group: str
    resource: str
    kind: str
    is_namespaced: bool = False


REVIEWS = (
    ReviewKind(AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview"),
    ReviewKind(AUTHENTICATION, "tokenreviews", "TokenReview"),
    ReviewKind(AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", True),
    ReviewKind(AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ReviewKind(AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ReviewKind(AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview"),
)
