locals {
  five_minutes = { period = 60, periods = 5, of_them = 3, missing = "notBreaching" }
  at_once      = { period = 300, periods = 1, of_them = 1, missing = "notBreaching" }

  # What is watched of each function, and of the whole. A metric that nothing is written to says that nothing happened,
  # but for the schedule's runs: there it is the fault itself, so that alarm rings until the functions are deployed.
  alarms = merge(
    {
      for function, name in local.functions : "${function}-errors" => merge(local.five_minutes, {
        text      = "${name} fails: its log says why."
        metric    = "AWS/Lambda Errors Sum > 0"
        dimension = { FunctionName = name }
      })
    },
    {
      for function, name in local.functions : "${function}-throttles" => merge(local.five_minutes, {
        text      = "Lambda refuses to run ${name}: the account, or the function's reserve, has no concurrency left."
        metric    = "AWS/Lambda Throttles Sum > 0"
        dimension = { FunctionName = name }
      })
    },
    {
      schedule-late = merge(local.at_once, {
        text      = "The schedule has run less than 3 times in 5 minutes: nothing heals."
        metric    = "AWS/Lambda Invocations Sum < 3"
        dimension = { FunctionName = local.functions["resync"] }
        missing   = "breaching"
      })
      schedule-slow = merge(local.five_minutes, {
        text      = "The schedule takes more than 50 of its 60 seconds."
        metric    = "AWS/Lambda Duration Maximum > 50000"
        dimension = { FunctionName = local.functions["resync"] }
      })
      dead-letters = merge(local.at_once, {
        text      = "${aws_sqs_queue.dead_letters.name} holds events or invocations that failed to the end."
        metric    = "AWS/SQS ApproximateNumberOfMessagesVisible Maximum > 0"
        dimension = { QueueName = aws_sqs_queue.dead_letters.name }
      })
      api-errors = merge(local.five_minutes, {
        text      = "The API answers 5xx."
        metric    = "AWS/ApiGateway 5XXError Sum > 0"
        dimension = { ApiName = local.deployment }
      })
    }
  )

  alarm_topics = concat(var.alarm_topics, aws_sns_topic.alarms[*].arn)
}

# An account's first ten alarms are free; each further one costs $0.10 a month.
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = var.alarms ? local.alarms : {}
  alarm_name          = "${local.deployment}-${each.key}"
  alarm_description   = each.value.text
  namespace           = split(" ", each.value.metric)[0]
  metric_name         = split(" ", each.value.metric)[1]
  statistic           = split(" ", each.value.metric)[2]
  comparison_operator = split(" ", each.value.metric)[3] == ">" ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = tonumber(split(" ", each.value.metric)[4])
  dimensions          = each.value.dimension
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.of_them
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics
  tags                = local.tags
}

# A thousand mails a month are free. Who gets them has to confirm the first.
resource "aws_sns_topic" "alarms" {
  count = var.alarm_mail == "" ? 0 : 1
  name  = "${local.deployment}-alarms"
  tags  = local.tags
}

resource "aws_sns_topic_subscription" "alarms" {
  count     = var.alarm_mail == "" ? 0 : 1
  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = var.alarm_mail
}

locals {
  # A graph each: its title, its statistic, and its metrics, as CloudWatch's dashboards write them.
  graphs = concat(
    [
      for metric, statistic in { Invocations = "Sum", Errors = "Sum", Throttles = "Sum", Duration = "Maximum" } : {
        title                                = "Functions: ${metric}"
        stat                                 = statistic
        metrics                              = [for name in values(local.functions) : ["AWS/Lambda", metric, "FunctionName", name]]
      }
    ],
    [
      {
        title   = "API: requests and errors"
        stat    = "Sum"
        metrics = [for metric in ["Count", "4XXError", "5XXError"] : ["AWS/ApiGateway", metric, "ApiName", local.deployment]]
      },
      {
        title   = "API: latency of 99 in 100"
        stat    = "p99"
        metrics = [["AWS/ApiGateway", "Latency", "ApiName", local.deployment]]
      },
      {
        title = "Table: units read and written"
        stat  = "Sum"
        metrics = [
          for metric in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] :
          ["AWS/DynamoDB", metric, "TableName", local.table]
        ]
      },
      {
        title   = "Dead letters"
        stat    = "Maximum"
        metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.dead_letters.name]]
      },
    ]
  )
}

# An account's first three dashboards are free; each further one costs $3 a month.
resource "aws_cloudwatch_dashboard" "this" {
  count          = var.dashboard ? 1 : 0
  dashboard_name = local.deployment
  dashboard_body = jsonencode({
    widgets = [
      for index, graph in local.graphs : {
        type       = "metric"
        x          = index % 2 * 12
        y          = floor(index / 2) * 6
        width      = 12
        height     = 6
        properties = merge(graph, { region = local.region, period = 60, view = "timeSeries" })
      }
    ]
  })
}
