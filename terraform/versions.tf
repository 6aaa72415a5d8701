terraform {
  required_version = ">= 1.11" # values that are written and never kept in the state
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.95, < 7.0"
    }
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
      cloudwatchlogs = endpoints.value
      dynamodb       = endpoints.value
      ec2            = endpoints.value
      ecs            = endpoints.value
      iam            = endpoints.value
      s3             = endpoints.value
      secretsmanager = endpoints.value
      ssm            = endpoints.value
      sts            = endpoints.value
    }
  }

  default_tags {
    tags = merge({ project = "sparkanywhere", "sparkanywhere:deployment" = var.name }, var.tags)
  }
}
