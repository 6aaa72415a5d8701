output "name" {
  description = "Name of the Chalice app."
  value       = var.name
}

output "stage" {
  description = "Stage of Chalice."
  value       = var.stage
}

output "deployment" {
  description = "Name of this deployment, NAME-STAGE: the prefix of its functions and task definitions."
  value       = local.deployment
}

output "region" {
  description = "AWS region."
  value       = local.region
}

output "ecs_cluster_name" {
  description = "The cluster that tasks run in."
  value       = aws_ecs_cluster.this.name
}

output "ecs_cluster_arn" {
  description = "Its ARN, which the event rule filters by."
  value       = aws_ecs_cluster.this.arn
}

output "security_group" {
  description = "The security group of the tasks of all other namespaces."
  value       = aws_security_group.tasks[local.shared].id
}

output "security_groups" {
  description = "The security group of each namespace that has its own."
  value       = { for namespace in var.namespaces : namespace => aws_security_group.tasks[namespace].id }
}

output "subnets" {
  description = "The subnets that tasks run in, one for each availability zone."
  value       = [for subnet in aws_subnet.tasks : subnet.id]
}

output "subnet" {
  description = "The first of them."
  value       = [for subnet in aws_subnet.tasks : subnet.id][0]
}

output "subnet_zones" {
  description = "The subnet of each availability zone."
  value       = { for subnet in aws_subnet.tasks : subnet.availability_zone => subnet.id }
}

output "assign_public_ip" {
  description = "Whether tasks need a public address to reach the outside."
  value       = local.is_public
}

output "api_endpoint_type" {
  description = "Whether the API is reached from anywhere (REGIONAL), or from this VPC alone (PRIVATE)."
  value       = var.network == "endpoints" ? "PRIVATE" : "REGIONAL"
}

output "api_vpc_endpoint" {
  description = "The endpoint that a private API is reached by; empty if it is none."
  value       = var.network == "endpoints" ? aws_vpc_endpoint.interface["execute-api"].id : ""
}

output "execute_command" {
  description = "Whether tasks take ECS Exec."
  value       = var.execute_command
}

output "xray" {
  description = "Whether X-Ray traces the control plane's requests."
  value       = var.xray
}

output "table" {
  description = "The DynamoDB table of objects."
  value       = aws_dynamodb_table.objects.name
}

output "bucket" {
  description = "The bucket of staged job files and event logs."
  value       = aws_s3_bucket.files.bucket
}

output "job_buckets" {
  description = "Buckets whose objects any job may bring."
  value       = join(",", var.job_buckets)
}

output "log_group" {
  description = "The tasks' log group."
  value       = aws_cloudwatch_log_group.tasks.name
}

output "execution_role_arn" {
  description = "The role of Fargate's agent."
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "The role of Spark, unless a job names one of its own."
  value       = aws_iam_role.task[local.shared].arn
}

output "task_roles" {
  description = "The role of Spark in each namespace that has its own."
  value       = { for namespace in var.namespaces : namespace => aws_iam_role.task[namespace].arn }
}

output "task_role_path" {
  description = "Path of the roles that tasks may have: further ones, for jobs, are made under it."
  value       = local.task_role_path
}

output "control_plane_role_arn" {
  description = "The role of the control plane's functions."
  value       = aws_iam_role.control_plane.arn
}

output "admin_token_arn" {
  description = "The parameter that holds the administrator's token; empty if there is none."
  value       = var.admin_token ? aws_ssm_parameter.admin_token[0].arn : ""
}

output "key_arn" {
  description = "The KMS key of table and token; empty without customer_key."
  value       = join("", aws_kms_key.this[*].arn)
}

output "functions" {
  description = "The name of each function, by Chalice's."
  value       = local.functions
}

output "function_log_groups" {
  description = "The log group of each function."
  value       = { for function, group in aws_cloudwatch_log_group.functions : function => group.name }
}

output "dead_letter_queue_arn" {
  description = "The queue of events and invocations that failed to the end."
  value       = aws_sqs_queue.dead_letters.arn
}

output "alarm_topic_arn" {
  description = "The SNS topic that mails alarms; empty without alarm_mail."
  value       = join("", aws_sns_topic.alarms[*].arn)
}

output "reserved_concurrency" {
  description = "Concurrent executions reserved for functions, by Chalice's names."
  value       = var.reserved_concurrency

  precondition {
    condition     = alltrue([for function in keys(var.reserved_concurrency) : contains(keys(local.functions), function)])
    error_message = "reserved_concurrency knows these functions: ${join(", ", keys(local.functions))}."
  }
}

output "api_requests_a_second" {
  description = "Requests a second that the API takes in the long run."
  value       = var.api_requests_a_second
}

output "api_burst" {
  description = "Requests that the API takes at once."
  value       = var.api_burst
}

output "pull_through_cache" {
  description = "What stands for each of pull_through_cache's registries in the name of an image, by prefix."
  value = {
    for prefix in keys(aws_ecr_pull_through_cache_rule.this) :
    prefix => "${local.account}.dkr.ecr.${local.region}.${data.aws_partition.this.dns_suffix}/${prefix}"
  }
}
