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
  name               = "${var.name}-task-execution"
  assume_role_policy = data.aws_iam_policy_document.tasks_assume.json
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${local.partition}:ecr:${var.region}:${local.account}:repository/*"]
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

# What Spark itself may do, unless a job names a role of its own: its staged files and its event logs.
resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  path               = var.task_role_path
  assume_role_policy = data.aws_iam_policy_document.tasks_assume.json
}

data "aws_iam_policy_document" "task" {
  statement {
    sid       = "ReadStagedFiles"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.files.arn}/staged/*"]
  }

  statement {
    sid       = "KeepEventLogs"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.files.arn}/event-logs/*"]
  }

  # All of it: without a right to list what is asked for, S3 answers 403 for what is not there, and Spark's S3A, which
  # asks for the folder "event-logs" as an object first, would end there.
  statement {
    sid       = "ListBoth"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.files.arn]
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
  name   = "own-files"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}

data "aws_iam_policy_document" "lambda_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

# The control plane: its table, tasks in its own cluster, its two kinds of role to pass on, its log group to read.
resource "aws_iam_role" "control_plane" {
  name               = "${var.name}-control-plane"
  assume_role_policy = data.aws_iam_policy_document.lambda_assume.json
}

data "aws_iam_policy_document" "control_plane" {
  statement {
    sid = "Objects"
    actions = [
      "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
      "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.objects.arn]
  }

  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = ["arn:${local.partition}:ecs:${var.region}:${local.account}:task-definition/${var.name}-*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }

  statement {
    sid       = "WatchAndStopTasks"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:${local.partition}:ecs:${var.region}:${local.account}:task/${var.name}/*"]
  }

  statement {
    sid       = "ListTasks"
    actions   = ["ecs:ListTasks"]
    resources = ["*"] # knows container instances only; the cluster bounds it

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }

  # DescribeTaskDefinition knows no resource. The Service Authorization Reference (2026) lists task definitions for
  # RegisterTaskDefinition, but refusals as users quote them name "*", and policies that named ARNs allowed nothing.
  # What is registered may be run only under our name, in our cluster, with our roles.
  statement {
    sid       = "DefineTasks"
    actions   = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid     = "TagWhatItMakes"
    actions = ["ecs:TagResource"]
    resources = [
      "arn:${local.partition}:ecs:${var.region}:${local.account}:task-definition/${var.name}-*",
      "arn:${local.partition}:ecs:${var.region}:${local.account}:task/${var.name}/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RegisterTaskDefinition", "RunTask"]
    }
  }

  statement {
    sid     = "PassTaskRoles"
    actions = ["iam:PassRole"]
    resources = [
      aws_iam_role.execution.arn,
      "arn:${local.partition}:iam::${local.account}:role${var.task_role_path}*",
    ]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "ReadTaskLogs"
    actions   = ["logs:GetLogEvents"]
    resources = ["${aws_cloudwatch_log_group.tasks.arn}:*"]
  }

  dynamic "statement" {
    for_each = aws_ssm_parameter.admin_token[*].arn
    content {
      sid       = "ReadAdminToken"
      actions   = ["ssm:GetParameter"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "StagedFiles"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.files.arn}/staged/*"]
  }

  dynamic "statement" {
    for_each = length(var.job_buckets) > 0 ? [var.job_buckets] : []

    content {
      sid       = "FilesOfJobs"
      actions   = ["s3:GetObject"]
      resources = [for bucket in statement.value : "arn:${local.partition}:s3:::${bucket}/*"]
    }
  }

  # X-Ray knows no resources to name: docs.aws.amazon.com/service-authorization, "AWS X-Ray" (2025).
  dynamic "statement" {
    for_each = var.xray ? [true] : []

    content {
      sid       = "Trace"
      actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      resources = ["*"]
    }
  }

  # How many vCPUs the account may run at once, for submits that ask for more. The call knows no resource:
  # docs.aws.amazon.com/service-authorization, "Service Quotas" (2026).
  statement {
    sid       = "ReadQuotas"
    actions   = ["servicequotas:GetServiceQuota"]
    resources = ["*"]
  }

  statement {
    sid       = "OwnLog"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/lambda/sparkanywhere-*"]
  }
}

resource "aws_iam_role_policy" "control_plane" {
  name   = "control-plane"
  role   = aws_iam_role.control_plane.id
  policy = data.aws_iam_policy_document.control_plane.json
}
