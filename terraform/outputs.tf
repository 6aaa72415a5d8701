# The module's outputs: the settings of the stage, which `make config` reads, and what people look up.

output "name" {
  description = "Name of the Chalice app."
  value       = module.sparkanywhere.name
}

output "stage" {
  description = "Stage of Chalice."
  value       = module.sparkanywhere.stage
}

output "deployment" {
  description = "Name of this deployment, NAME-STAGE: the prefix of its functions and task definitions."
  value       = module.sparkanywhere.deployment
}

output "region" {
  description = "AWS region."
  value       = module.sparkanywhere.region
}

output "ecs_cluster_name" {
  description = "The cluster that tasks run in."
  value       = module.sparkanywhere.ecs_cluster_name
}

output "ecs_cluster_arn" {
  description = "Its ARN, which the event rule filters by."
  value       = module.sparkanywhere.ecs_cluster_arn
}

output "security_group" {
  description = "The security group of the tasks of all other namespaces."
  value       = module.sparkanywhere.security_group
}

output "security_groups" {
  description = "The security group of each namespace that has its own."
  value       = module.sparkanywhere.security_groups
}

output "subnets" {
  description = "The subnets that tasks run in, one for each availability zone."
  value       = module.sparkanywhere.subnets
}

output "subnet" {
  description = "The first of them."
  value       = module.sparkanywhere.subnet
}

output "subnet_zones" {
  description = "The subnet of each availability zone."
  value       = module.sparkanywhere.subnet_zones
}

output "assign_public_ip" {
  description = "Whether tasks need a public address to reach the outside."
  value       = module.sparkanywhere.assign_public_ip
}

output "api_endpoint_type" {
  description = "Whether the API is reached from anywhere (REGIONAL), or from this VPC alone (PRIVATE)."
  value       = module.sparkanywhere.api_endpoint_type
}

output "api_vpc_endpoint" {
  description = "The endpoint that a private API is reached by; empty if it is none."
  value       = module.sparkanywhere.api_vpc_endpoint
}

output "execute_command" {
  description = "Whether tasks take ECS Exec."
  value       = module.sparkanywhere.execute_command
}

output "xray" {
  description = "Whether X-Ray traces the control plane's requests."
  value       = module.sparkanywhere.xray
}

output "table" {
  description = "The DynamoDB table of objects."
  value       = module.sparkanywhere.table
}

output "bucket" {
  description = "The bucket of staged job files and event logs."
  value       = module.sparkanywhere.bucket
}

output "job_buckets" {
  description = "Buckets whose objects any job may bring."
  value       = module.sparkanywhere.job_buckets
}

output "log_group" {
  description = "The tasks' log group."
  value       = module.sparkanywhere.log_group
}

output "execution_role_arn" {
  description = "The role of Fargate's agent."
  value       = module.sparkanywhere.execution_role_arn
}

output "task_role_arn" {
  description = "The role of Spark, unless a job names one of its own."
  value       = module.sparkanywhere.task_role_arn
}

output "task_roles" {
  description = "The role of Spark in each namespace that has its own."
  value       = module.sparkanywhere.task_roles
}

output "task_role_path" {
  description = "Path of the roles that tasks may have: further ones, for jobs, are made under it."
  value       = module.sparkanywhere.task_role_path
}

output "control_plane_role_arn" {
  description = "The role of the control plane's functions."
  value       = module.sparkanywhere.control_plane_role_arn
}

output "admin_token_arn" {
  description = "The parameter that holds the administrator's token; empty if there is none."
  value       = module.sparkanywhere.admin_token_arn
}

output "key_arn" {
  description = "The KMS key of table and token; empty without customer_key."
  value       = module.sparkanywhere.key_arn
}

output "functions" {
  description = "The name of each function, by Chalice's."
  value       = module.sparkanywhere.functions
}

output "function_log_groups" {
  description = "The log group of each function."
  value       = module.sparkanywhere.function_log_groups
}

output "dead_letter_queue_arn" {
  description = "The queue of events and invocations that failed to the end."
  value       = module.sparkanywhere.dead_letter_queue_arn
}

output "alarm_topic_arn" {
  description = "The SNS topic that mails alarms; empty without alarm_mail."
  value       = module.sparkanywhere.alarm_topic_arn
}

output "reserved_concurrency" {
  description = "Concurrent executions reserved for functions, by Chalice's names."
  value       = module.sparkanywhere.reserved_concurrency
}

output "api_requests_a_second" {
  description = "Requests a second that the API takes in the long run."
  value       = module.sparkanywhere.api_requests_a_second
}

output "api_burst" {
  description = "Requests that the API takes at once."
  value       = module.sparkanywhere.api_burst
}

output "pull_through_cache" {
  description = "What stands for each of pull_through_cache's registries in the name of an image, by prefix."
  value       = module.sparkanywhere.pull_through_cache
}
