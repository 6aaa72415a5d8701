# Of the condition the ECS Developer Guide speaks for task roles ("Amazon ECS task IAM role"), and not for the execution
# role; AWS's own example of Fargate makes both with it (github.com/aws/agent-toolkit-for-aws, 2026: ecs-trust-policy.json
# and iam-roles.md of processing-s3-uploads-with-step-functions).
data "aws_iam_policy_document" "tasks_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

# What Fargate's agent does before a container runs: pull the image, open the log stream.
resource "aws_iam_role" "execution" {
  name               = "${local.deployment}-execution"
  assume_role_policy = data.aws_iam_policy_document.tasks_assume.json
  tags               = local.tags
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${local.partition}:ecr:${local.region}:${local.account}:repository/*"]
  }

  dynamic "statement" {
    for_each = length(var.pull_through_cache) > 0 ? [var.pull_through_cache] : []

    content {
      sid       = "PullThroughCache"
      actions   = ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"]
      resources = [for prefix in keys(statement.value) : "arn:${local.partition}:ecr:${local.region}:${local.account}:repository/${prefix}/*"]
    }
  }

  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # this action knows no resource
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.tasks.arn}:*"]
  }
}

resource "aws_iam_role_policy" "execution" {
  name   = "pull-and-log"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

# What Spark itself may do, unless a job names a role of its own: keep event logs. Staged files come by signed URLs.
resource "aws_iam_role" "task" {
  for_each           = local.tenants
  name               = "${local.deployment}-task${each.value}"
  path               = local.task_role_path
  assume_role_policy = data.aws_iam_policy_document.tasks_assume.json
  tags               = local.tags
}

locals {
  file_actions = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
}

data "aws_iam_policy_document" "task" {
  for_each = local.tenants

  statement {
    sid       = "KeepEventLogs"
    actions   = local.file_actions
    resources = ["${aws_s3_bucket.files.arn}/event-logs/${each.key == local.shared ? "*" : "${each.key}/*"}"]
  }

  dynamic "statement" {
    for_each = each.key == local.shared && length(var.namespaces) > 0 ? [var.namespaces] : []

    content {
      sid       = "NotThoseOfNamespacesWithRoles"
      effect    = "Deny"
      actions   = local.file_actions
      resources = [for namespace in statement.value : "${aws_s3_bucket.files.arn}/event-logs/${namespace}/*"]
    }
  }

  # All of it, so the names of other namespaces' event logs too: without a right to list what is asked for, S3 answers
  # 403 for what is not there, and Spark's S3A, which asks for the folder "event-logs" as an object first, would end.
  statement {
    sid       = "ListFiles"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.files.arn]
  }

  dynamic "statement" {
    for_each = length(var.data_buckets) > 0 ? [var.data_buckets] : []

    content {
      sid       = "Data"
      actions   = concat(local.file_actions, ["s3:ListBucket"])
      resources = flatten([for bucket in statement.value : ["arn:${local.partition}:s3:::${bucket}", "arn:${local.partition}:s3:::${bucket}/*"]])
    }
  }

  # The four have no resources to name: docs.aws.amazon.com/AmazonECS, "Monitor Amazon ECS containers with ECS Exec" (2025).
  dynamic "statement" {
    for_each = var.execute_command ? [true] : []

    content {
      sid = "TakeCommands"
      actions = [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role_policy" "task" {
  for_each = local.tenants
  name     = "own-files"
  role     = aws_iam_role.task[each.key].id
  policy   = data.aws_iam_policy_document.task[each.key].json
}
