"""Services, their endpoints, and NetworkPolicies."""
