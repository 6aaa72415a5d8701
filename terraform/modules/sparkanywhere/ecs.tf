resource "aws_ecs_cluster" "this" {
  name = local.deployment
  tags = local.tags

  setting {
    name  = "containerInsights"
    value = "disabled" # paid by the metric: turn it on while you look at it
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }
}

resource "aws_cloudwatch_log_group" "tasks" {
  name              = "/${local.deployment}/tasks"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}
