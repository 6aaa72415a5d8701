terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.95, < 7.0"
    }
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region takes the code of an AWS region, such as eu-west-1."
  }
}

variable "endpoint_url" {
  description = "An emulator's URL in place of AWS; empty for AWS."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^https?://", var.endpoint_url))
    error_message = "endpoint_url takes an http:// or https:// URL, or nothing for AWS."
  }
}

provider "aws" {
  region = var.region

  # Only for trying it out against an emulator: real AWS needs none of these.
  skip_credentials_validation = var.endpoint_url != ""
  skip_metadata_api_check     = var.endpoint_url != "" ? "true" : null
  skip_requesting_account_id  = false
  s3_use_path_style           = var.endpoint_url != ""

  dynamic "endpoints" {
    for_each = var.endpoint_url == "" ? [] : [var.endpoint_url]
    content {
      budgets        = endpoints.value
      cloudwatch     = endpoints.value
      cloudwatchlogs = endpoints.value
      dynamodb       = endpoints.value
      ec2            = endpoints.value
      ecr            = endpoints.value
      ecs            = endpoints.value
      iam            = endpoints.value
      kms            = endpoints.value
      s3             = endpoints.value
      secretsmanager = endpoints.value
      sns            = endpoints.value
      sqs            = endpoints.value
      ssm            = endpoints.value
      sts            = endpoints.value
    }
  }
}
