variable "name" {
  description = "Name of this deployment and of its Chalice app. With the stage it is the name of all that is made."
  type        = string
  default     = "sparkanywhere"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name takes 2 to 24 lower-case letters, digits and single dashes, from a letter to a letter or digit."
  }
}

variable "stage" {
  description = "Stage of this deployment, and of Chalice: prod, dev. Two in one account share nothing."
  type        = string
  default     = "prod"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,9}$", var.stage))
    error_message = "stage takes 1 to 10 lower-case letters and digits, and begins with a letter."
  }

  # One that was made before this was refused can still be destroyed, as all are: without protection.
  validation {
    condition     = !contains(["launch", "resync", "stream"], var.stage) || !var.deletion_protection
    error_message = "stage is no function's name: launch, resync or stream. To destroy one that has it, set deletion_protection=false."
  }
}

variable "tags" {
  description = "Further tags for everything, for cost allocation."
  type        = map(string)
  default     = {}

  validation {
    condition = length(var.tags) <= 40 && alltrue([
      for key in keys(var.tags) : !startswith(lower(key), "aws:") && !contains(["project", "sparkanywhere:deployment", "Name"], key)
    ])
    error_message = "tags takes 40 tags at most, since AWS takes 50, none that begins with aws:, and none of ours: project, sparkanywhere:deployment, Name."
  }
}

variable "vpc_cidr" {
  description = "Address range of the VPC. Each task takes one address: /16 has room for 65,000."
  type        = string
  default     = "10.32.0.0/16"

  validation {
    condition = can(regex("^[0-9.]+/(16|17|18|19|20)$", var.vpc_cidr)) && try(
      cidrhost(var.vpc_cidr, 0) == split("/", var.vpc_cidr)[0], false
    ) && !can(regex("^(0|127|169\\.254|22[4-9]|2[3-5][0-9])\\.", var.vpc_cidr))
    error_message = "vpc_cidr takes an IPv4 range from /16, AWS's largest, to /20, whose subnets have 250 addresses each, without host bits, and of no loopback, link-local or multicast addresses, such as 10.32.0.0/16."
  }
}

variable "availability_zones" {
  description = "How many availability zones to make subnets in, from 1 to 4."
  type        = number
  default     = 3

  validation {
    condition     = contains([1, 2, 3, 4], var.availability_zones)
    error_message = "availability_zones takes a whole number from 1 to 4."
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

variable "namespaces" {
  description = "Namespaces with a security group and a task role of their own. The others share one of each."
  type        = list(string)
  default     = []

  validation {
    condition = length(var.namespaces) == length(toset(var.namespaces)) && alltrue([
      for namespace in var.namespaces : can(regex("^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$", namespace))
    ])
    error_message = "namespaces takes different names of 1 to 22 lower-case letters, digits and dashes: IAM's role names have 64 characters."
  }
}

variable "customer_key" {
  description = "Whether a KMS key of this deployment's own ($1 a month) keeps the table and the administrator's token from those who may only read the account."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that the logs of tasks and functions are kept."
  type        = number
  default     = 14

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days
    )
    error_message = "log_retention_days takes what CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400 or 545 days, or the days of 2 to 10 years (731, 1096, 1827, ... 3653)."
  }
}

variable "staged_file_days" {
  description = "Days after which staged job files are deleted, should a job have left any."
  type        = number
  default     = 7

  validation {
    condition     = var.staged_file_days >= 1 && floor(var.staged_file_days) == var.staged_file_days
    error_message = "staged_file_days takes a whole number of days, 1 or more."
  }
}

variable "event_log_days" {
  description = "Days that Spark event logs are kept for the history server."
  type        = number
  default     = 90

  validation {
    condition     = var.event_log_days >= 1 && floor(var.event_log_days) == var.event_log_days
    error_message = "event_log_days takes a whole number of days, 1 or more."
  }
}

variable "job_buckets" {
  description = "Buckets whose objects any job may bring by the control plane's role, where its user has no credentials."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for bucket in var.job_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "job_buckets takes names of buckets, without s3:// and without a path."
  }
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

  validation {
    condition     = var.monthly_budget_usd >= 0
    error_message = "monthly_budget_usd takes an amount in US dollars, or 0 for no alarm."
  }

  validation {
    condition     = var.monthly_budget_usd <= 0 || var.budget_mail != ""
    error_message = "A budget alarm needs budget_mail."
  }
}

variable "budget_mail" {
  description = "Where the budget alarm goes."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^[^@ ]+@[^@ ]+$", var.budget_mail))
    error_message = "budget_mail takes one mail address."
  }
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

  validation {
    condition     = var.admin_token_version >= 1 && floor(var.admin_token_version) == var.admin_token_version
    error_message = "admin_token_version takes a whole number, 1 or more."
  }
}

variable "deletion_protection" {
  description = "Whether the table, and the bucket while it holds anything, refuse to be destroyed. Apply false first to take a deployment down."
  type        = bool
  default     = true
}

variable "alarms" {
  description = "Whether CloudWatch watches schedule, functions, API and dead letters. An account's first ten alarms are free, each further one costs $0.10 a month; there are two for each function and four more."
  type        = bool
  default     = true
}

variable "alarm_mail" {
  description = "Who is told of alarms; empty for nobody, who may still look at them."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^[^@ ]+@[^@ ]+$", var.alarm_mail))
    error_message = "alarm_mail takes one mail address."
  }

  validation {
    condition     = var.alarm_mail == "" || var.alarms
    error_message = "alarm_mail needs alarms."
  }
}

variable "alarm_topics" {
  description = "ARNs of SNS topics of your own that are told of alarms, 4 at most."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.alarm_topics) <= 4 && alltrue([for arn in var.alarm_topics : can(regex("^arn:aws[a-z-]*:sns:", arn))])
    error_message = "alarm_topics takes the ARNs of SNS topics, 4 at most: an alarm has 5 actions."
  }
}

variable "dashboard" {
  description = "Whether to make a CloudWatch dashboard. An account's first three are free, each further one costs $3 a month."
  type        = bool
  default     = false
}

variable "reserved_concurrency" {
  description = "Concurrent executions reserved for functions, by Chalice's names, such as { resync = 2 }. None by default: a new account has 10 in all, and AWS keeps 10 of what an account has unreserved."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for number in values(var.reserved_concurrency) : number >= 1 && floor(number) == number])
    error_message = "reserved_concurrency takes whole numbers, 1 or more."
  }
}

variable "api_requests_a_second" {
  description = "Requests a second that the API takes in the long run; beyond, API Gateway answers 429."
  type        = number
  default     = 500

  validation {
    condition     = var.api_requests_a_second >= 1 && var.api_requests_a_second <= 10000
    error_message = "api_requests_a_second takes a number from 1 to 10,000, which an account has in all."
  }
}

variable "api_burst" {
  description = "Requests that the API takes at once."
  type        = number
  default     = 1000

  validation {
    condition     = var.api_burst >= 1 && var.api_burst <= 5000 && floor(var.api_burst) == var.api_burst
    error_message = "api_burst takes a whole number from 1 to 5,000, which an account has in all."
  }
}

variable "data_buckets" {
  description = "Buckets that tasks may read and write, all of them: data of jobs that have no role of their own."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for bucket in var.data_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "data_buckets takes names of buckets, without s3:// and without a path."
  }
}

variable "pull_through_cache" {
  description = "Public registries whose images ECR keeps copies of, by the prefix of their repositories here, such as { ecr-public = \"public.ecr.aws\" }. A prefix is one in its account and region."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for prefix, registry in var.pull_through_cache :
      can(regex("^[a-z0-9]+([._-][a-z0-9]+)*$", prefix)) && length(prefix) >= 2 && length(prefix) <= 30
      && contains(["public.ecr.aws", "quay.io", "registry.k8s.io"], registry)
    ])
    error_message = "pull_through_cache takes prefixes of 2 to 30 lower-case letters, digits, and single dots, dashes and underscores between them, each with public.ecr.aws, quay.io or registry.k8s.io, which need no login."
  }
}
