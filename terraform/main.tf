# One deployment, for `terraform -chdir=terraform apply`. The module is modules/sparkanywhere; its variables are this
# folder's too (variables.tf is a link), and its outputs are handed on.
module "sparkanywhere" {
  source = "./modules/sparkanywhere"

  name                  = var.name
  stage                 = var.stage
  tags                  = var.tags
  vpc_cidr              = var.vpc_cidr
  availability_zones    = var.availability_zones
  network               = var.network
  namespaces            = var.namespaces
  customer_key          = var.customer_key
  log_retention_days    = var.log_retention_days
  staged_file_days      = var.staged_file_days
  event_log_days        = var.event_log_days
  job_buckets           = var.job_buckets
  execute_command       = var.execute_command
  xray                  = var.xray
  monthly_budget_usd    = var.monthly_budget_usd
  budget_mail           = var.budget_mail
  admin_token           = var.admin_token
  admin_token_version   = var.admin_token_version
  deletion_protection   = var.deletion_protection
  alarms                = var.alarms
  alarm_mail            = var.alarm_mail
  alarm_topics          = var.alarm_topics
  dashboard             = var.dashboard
  reserved_concurrency  = var.reserved_concurrency
  api_requests_a_second = var.api_requests_a_second
  api_burst             = var.api_burst
  data_buckets          = var.data_buckets
  pull_through_cache    = var.pull_through_cache
}
