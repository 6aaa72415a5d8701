# What a deployment is made with and keeps. With another name, stage, region or account Terraform would destroy what is
# there, or forget it and make a second one. Another range replaces the VPC below the tasks that run, and an API that
# turns private locks its callers out. A plan that changes one of these is refused before anything is done.
#
# The first apply with this resource notes the values; `output` keeps them, since later ones are ignored.
locals {
  made_with = {
    name     = var.name
    stage    = var.stage
    account  = local.account
    region   = local.region
    vpc_cidr = var.vpc_cidr
    network  = var.network == "endpoints" ? "endpoints" : "public or nat"
  }
}

resource "terraform_data" "made_with" {
  input = local.made_with

  lifecycle {
    ignore_changes = [input]

    postcondition {
      condition = alltrue([for key, value in local.made_with : try(self.output[key], value) == value])
      error_message = format(
        "%s is made with %s. That cannot change while it lives: apply another deployment from another folder or workspace, or destroy this one first.",
        try("${self.output.name}-${self.output.stage}", "This deployment"),
        join(" and ", [
          for key, value in local.made_with : "${key} ${self.output[key]}, not ${value}"
          if try(self.output[key], value) != value
        ])
      )
    }
  }
}
