# The groups that Lambda writes the functions' logs to. Made here, since Lambda's own would be kept for ever.
resource "aws_cloudwatch_log_group" "functions" {
  for_each          = local.functions
  name              = "/aws/lambda/${each.value}"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

# Events that EventBridge could not deliver, and asynchronous invocations that failed to the end. An empty queue is free.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${local.deployment}-dead-letters"
  message_retention_seconds = 14 * 24 * 60 * 60 # SQS's longest
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

data "aws_iam_policy_document" "dead_letters" {
  statement {
    sid       = "UndeliveredEvents"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values = [
        for function in ["task_events", "resync"] : # as Chalice names the rules of their events
        "arn:${local.partition}:events:${local.region}:${local.account}:rule/${local.deployment}-${function}-event"
      ]
    }
  }
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  policy    = data.aws_iam_policy_document.dead_letters.json
}
