"""Quotas, limit ranges, priority classes and disruption budgets."""
