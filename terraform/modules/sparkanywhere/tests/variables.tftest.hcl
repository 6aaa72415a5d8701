# `terraform test`: what each variable refuses, by a sentence, before anything is made; and what each network plans.
# Nothing here reaches AWS: all is new, and what would be asked for first is given.
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = "true"
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.me
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_availability_zones.here
  values = { names = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
}

# The token is drawn by AWS, also for a plan.
variables {
  admin_token = false
}

run "public" {
  command = plan

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_vpc_endpoint.interface) == 0
    error_message = "The public network has something that costs while nothing runs."
  }

  assert {
    condition     = output.api_endpoint_type == "REGIONAL" && output.assign_public_ip
    error_message = "The public network's API is not public, or its tasks have no addresses."
  }
}

run "nat" {
  command = plan

  variables {
    network            = "nat"
    monthly_budget_usd = 50
    budget_mail        = "me@example.com"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && !output.assign_public_ip
    error_message = "Tasks of private subnets need one NAT gateway, and no addresses."
  }

  assert {
    condition     = length(aws_budgets_budget.monthly) == 1
    error_message = "No budget is made."
  }
}

run "endpoints" {
  command = plan

  variables {
    network      = "endpoints"
    customer_key = false
    alarms       = false
    xray         = true
  }

  assert {
    condition     = output.api_endpoint_type == "PRIVATE" && length(aws_vpc_endpoint.interface) == 6
    error_message = "The API of a network without a way out is reached by its endpoint."
  }

  assert {
    condition     = output.key_arn == "" && output.admin_token_arn == "" && length(aws_cloudwatch_metric_alarm.this) == 0
    error_message = "What was not asked for is made."
  }
}

run "names" {
  command = plan

  variables {
    name  = "Team_A"
    stage = "prod-eu"
    tags  = { "aws:mine" = "1" }
  }

  expect_failures = [var.name, var.stage, var.tags]
}

run "network" {
  command = plan

  variables {
    vpc_cidr           = "10.0.0.0/24"
    availability_zones = 2.5
    network            = "private"
    namespaces         = ["team-a", "team-a"]
  }

  expect_failures = [var.vpc_cidr, var.availability_zones, var.network, var.namespaces]
}

run "days" {
  command = plan

  variables {
    log_retention_days  = 10
    staged_file_days    = 0
    event_log_days      = 1.5
    admin_token_version = 0
  }

  expect_failures = [var.log_retention_days, var.staged_file_days, var.event_log_days, var.admin_token_version]
}

run "buckets" {
  command = plan

  variables {
    job_buckets  = ["s3://files"]
    data_buckets = ["data/part"]
  }

  expect_failures = [var.job_buckets, var.data_buckets]
}

run "alarms" {
  command = plan

  variables {
    budget_mail  = "nobody"
    alarm_mail   = "nobody"
    alarm_topics = ["topic"]
  }

  expect_failures = [var.budget_mail, var.alarm_mail, var.alarm_topics]
}

run "limits" {
  command = plan

  variables {
    monthly_budget_usd    = 50
    reserved_concurrency  = { resync = 0.5 }
    api_requests_a_second = 0
    api_burst             = 1000000
  }

  expect_failures = [var.monthly_budget_usd, var.reserved_concurrency, var.api_requests_a_second, var.api_burst]
}

run "unknown_function" {
  command = plan

  variables {
    reserved_concurrency = { resnyc = 1 }
  }

  expect_failures = [output.reserved_concurrency]
}
