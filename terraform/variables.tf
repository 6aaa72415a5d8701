variable "name" {
  description = "Name of this deployment; everything made here carries it."
  type        = string
  default     = "sparkanywhere"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "The name takes 2 to 31 lower-case letters, digits and dashes, and begins with a letter."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"
}

variable "tags" {
  description = "Further tags for everything, for cost allocation."
  type        = map(string)
  default     = {}
}

variable "vpc_cidr" {
  description = "Address range of the VPC. Each task takes one address: /16 has room for 65,000."
  type        = string
  default     = "10.32.0.0/16"
}

variable "availability_zones" {
  description = "How many availability zones to spread tasks over."
  type        = number
  default     = 3

  validation {
    condition     = var.availability_zones >= 1 && var.availability_zones <= 4
    error_message = "Between 1 and 4 availability zones."
  }
}

variable "network" {
  description = <<-TEXT
    How tasks reach the outside. "public": public subnets and addresses, no standing cost. "nat": private
    subnets behind one NAT gateway (about $33 a month, and by the gigabyte). "endpoints": private subnets
    without a way to the internet, with interface endpoints for ECR, CloudWatch Logs, STS and the API, which is
    then reached from this VPC alone (about $7 a month for each endpoint in each zone).
  TEXT
  type        = string
  default     = "public"

  validation {
    condition     = contains(["public", "nat", "endpoints"], var.network)
    error_message = "network is one of public, nat, endpoints."
  }
}

variable "log_retention_days" {
  description = "Days that the tasks' logs are kept."
  type        = number
  default     = 14
}

variable "staged_file_days" {
  description = "Days after which staged job files are deleted, should a job have left any."
  type        = number
  default     = 7
}

variable "job_buckets" {
  description = "Buckets whose objects any job may bring by the control plane's role, where its user has no credentials."
  type        = list(string)
  default     = []
}

variable "event_log_days" {
  description = "Days that Spark event logs are kept for the history server."
  type        = number
  default     = 90
}

variable "task_role_path" {
  description = "Path under which further task roles (per-job identities) may be made; RunTask may pass roles of this path only."
  type        = string
  default     = "/sparkanywhere/tasks/"
}

variable "execute_command" {
  description = "Whether people whom IAM lets may run commands in tasks and forward their ports (ECS Exec)."
  type        = bool
  default     = true
}

variable "xray" {
  description = "Whether X-Ray traces the control plane's requests."
  type        = bool
  default     = false
}

variable "monthly_budget_usd" {
  description = "Alarm by mail when this deployment costs more a month; 0 for no alarm."
  type        = number
  default     = 0
}

variable "budget_mail" {
  description = "Where the budget alarm goes."
  type        = string
  default     = ""
}

variable "admin_token" {
  description = "Whether to make a token for the administrator; without it, name IAM identities in the stage."
  type        = bool
  default     = true
}

variable "admin_token_version" {
  description = "Raise it to draw another token; the old one is good for five more minutes."
  type        = number
  default     = 1
}

variable "deletion_protection" {
  description = "Whether the table of objects refuses to be destroyed."
  type        = bool
  default     = false
}

variable "endpoint_url" {
  description = "An emulator's URL in place of AWS; empty for AWS."
  type        = string
  default     = ""
}
