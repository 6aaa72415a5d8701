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
  name               = "${local.deployment}-control-plane"
  assume_role_policy = data.aws_iam_policy_document.lambda_assume.json
  tags               = local.tags
}

data "aws_iam_policy_document" "control_plane" {
  statement {
    sid = "Objects"
    actions = [
      "dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:DescribeTable",
      "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.objects.arn]
  }

  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = ["${local.definition}", "${local.definition}:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }

  statement {
    sid       = "WatchAndStopTasks"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/${local.deployment}/*"]
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

  # Describing, listing and deregistering know no resource; what is deregistered can be registered again. The Service Authorization Reference (2026) lists task definitions for
  # RegisterTaskDefinition, but refusals as users quote them name "*", and policies that named ARNs allowed nothing.
  # What is registered may be run only under our name, in our cluster, with our roles.
  statement {
    sid = "DefineTasks"
    actions = [
      "ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitionFamilies",
      "ecs:RegisterTaskDefinition",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "DeleteOldDefinitions"
    actions   = ["ecs:DeleteTaskDefinitions"]
    resources = ["${local.definition}", "${local.definition}:*"]
  }

  statement {
    sid     = "TagWhatItMakes"
    actions = ["ecs:TagResource"]
    resources = [
      "${local.definition}",
      "${local.definition}:*",
      "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${local.deployment}/*",
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
      "arn:${local.partition}:iam::${local.account}:role${local.task_role_path}*",
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

  # Pods are launched behind the answer to who has stored them.
  statement {
    sid       = "LaunchBehindAnswers"
    actions   = ["lambda:InvokeFunction"]
    resources = ["arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.deployment}-launch"]
  }

  statement {
    sid     = "OwnLogs"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [
      for name in values(local.functions) :
      "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${name}:*"
    ]
  }

  # Lambda sends what failed to the end in the functions' name.
  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }
}

resource "aws_iam_role_policy" "control_plane" {
  name   = "control-plane"
  role   = aws_iam_role.control_plane.id
  policy = data.aws_iam_policy_document.control_plane.json
}
