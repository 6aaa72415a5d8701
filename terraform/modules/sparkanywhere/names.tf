data "aws_caller_identity" "me" {}

data "aws_partition" "this" {}

data "aws_region" "here" {}

locals {
  account   = data.aws_caller_identity.me.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.here.id

  # One deployment: all that is made for it in an account carries this name, and nothing else does. A stage has no dash,
  # so that no two pairs of name and stage give the same.
  deployment     = "${var.name}-${var.stage}"
  task_role_path = "/${local.deployment}/tasks/"
  tags           = merge({ project = "sparkanywhere", "sparkanywhere:deployment" = local.deployment }, var.tags)

  # A task definition's family ends with 16 digits. A star would match those of a deployment whose name begins like this.
  definition = "arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${local.deployment}-????????????????"

  # The functions of the control plane, by Chalice's names. Log groups, alarms and concurrency go by this list, and a
  # test holds it to what app.py registers. Chalice names the API's function after the deployment alone.
  functions = {
    for function in ["api_handler", "task_events", "resync", "launch", "stream"] :
    function => function == "api_handler" ? local.deployment : "${local.deployment}-${function}"
  }

  # Who has a security group and a task role of its own, and what they are called by: each namespace of var.namespaces,
  # so that its pods reach one another alone and see their own event logs alone; and all others together.
  shared  = "" # no namespace's name
  tenants = merge({ (local.shared) = "" }, { for namespace in var.namespaces : namespace => "-${namespace}" })
}

# A stage of a function's name is taken where a deployment that has it is to be destroyed, and makes no new one. A destroy
# that goes on after half of it is done only warns.
data "aws_iam_roles" "made" {
  count      = contains(keys(local.functions), var.stage) ? 1 : 0
  name_regex = "^${local.deployment}-control-plane$"

  lifecycle {
    postcondition {
      condition     = length(self.names) > 0
      error_message = "There is no ${local.deployment} to destroy, and none is made: stage is a function's name."
    }
  }
}
