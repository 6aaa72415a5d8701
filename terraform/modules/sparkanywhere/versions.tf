terraform {
  required_version = ">= 1.11" # values that are written and never kept in the state
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.95, < 7.0"
    }
  }
}
