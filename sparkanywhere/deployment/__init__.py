"""How the control plane gets to AWS: what Chalice packs, what it has deployed, and Terraform beside it."""
