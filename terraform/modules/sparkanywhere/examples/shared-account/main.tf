# Two deployments of one account: production, where two teams have namespaces with security groups and task roles of
# their own, and a place to try things, which may be destroyed at any time.
provider "aws" {
  region = "eu-west-1"
}

module "prod" {
  source = "../.."

  name       = "data"
  stage      = "prod"
  namespaces = ["etl", "science"]

  alarm_mail         = "data@example.com"
  dashboard          = true
  monthly_budget_usd = 500
  budget_mail        = "data@example.com"
}

module "dev" {
  source = "../.."

  name                = "data"
  stage               = "dev"
  vpc_cidr            = "10.33.0.0/16"
  availability_zones  = 1
  customer_key        = false
  alarms              = false
  deletion_protection = false
}
