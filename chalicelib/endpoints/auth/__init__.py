"""Who calls, and may they: tokens, IAM, RBAC, impersonation, reviews, limits, audit."""
