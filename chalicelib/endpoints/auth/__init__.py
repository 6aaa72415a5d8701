"""Authentication and authorization: tokens, IAM, RBAC, impersonation, reviews, limits, audit. Used by every request."""
