# Public images by way of ECR, which pulls each the first time that a task asks for it: docs.aws.amazon.com/AmazonECR,
# "Sync an upstream registry with an Amazon ECR private registry" (2026). What was pulled stays when the rule goes.
resource "aws_ecr_pull_through_cache_rule" "this" {
  for_each              = var.pull_through_cache
  ecr_repository_prefix = each.key
  upstream_registry_url = each.value
}
