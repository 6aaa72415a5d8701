# `terraform test`: what each network plans, and that a function that is none is refused before anything is made.
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

run "unknown_function" {
  command = plan

  variables {
    reserved_concurrency = { resnyc = 1 }
  }

  expect_failures = [output.reserved_concurrency]
}
