# A key of this deployment's own for what makes its reader an administrator: the table (Secrets, the key that signs
# service accounts' tokens) and the administrator's token. AWS's own keys decrypt for whoever may read, so for every
# principal of ReadOnlyAccess; this one asks for kms:Decrypt as well.
#
# The statements follow the DynamoDB Developer Guide, "DynamoDB encryption at rest usage notes", and the Systems Manager
# User Guide, "AWS KMS encryption for AWS Systems Manager Parameter Store SecureString parameters". "root" stands for
# those whom IAM allows the action too: administrators, and who applies this. Without it AWS lets nobody make the table.
locals {
  token_parameter     = "/${local.deployment}/admin-token"
  token_parameter_arn = "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${local.token_parameter}"
  table               = "${local.deployment}-objects"
  root                = "arn:${local.partition}:iam::${local.account}:root"

  # Who may do what by the key, through which service, and with what. Creating a grant has no encryption context.
  key_uses = {
    TableForItsMaker = {
      principal = local.root
      service   = "dynamodb"
      actions = [
        "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*",
      ]
      context = {}
    }
    TableForTheFunctions = {
      principal = aws_iam_role.control_plane.arn
      service   = "dynamodb"
      actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      context   = { "aws:dynamodb:tableName" = local.table }
    }
    TokenForItsMaker = {
      principal = local.root
      service   = "ssm"
      actions   = ["kms:Decrypt", "kms:Encrypt"]
      context   = { PARAMETER_ARN = local.token_parameter_arn }
    }
    TokenForTheFunctions = {
      principal = aws_iam_role.control_plane.arn
      service   = "ssm"
      actions   = ["kms:Decrypt"]
      context   = { PARAMETER_ARN = local.token_parameter_arn }
    }
  }
}

data "aws_iam_policy_document" "key" {
  # No cryptography, and no kms:CreateGrant, which could give it away.
  statement {
    sid = "Administer"
    actions = [
      "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:Describe*", "kms:Disable*", "kms:Enable*",
      "kms:Get*", "kms:List*", "kms:Put*", "kms:RevokeGrant", "kms:ScheduleKeyDeletion", "kms:TagResource",
      "kms:UntagResource", "kms:Update*",
    ]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.root]
    }
  }

  dynamic "statement" {
    for_each = local.key_uses

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = [statement.value.principal]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["${statement.value.service}.${local.region}.${data.aws_partition.this.dns_suffix}"]
      }

      dynamic "condition" {
        for_each = statement.value.context

        content {
          test     = "StringEquals"
          variable = "kms:EncryptionContext:${condition.key}"
          values   = [condition.value]
        }
      }
    }
  }
}

# $1 a month, and $0.03 for 10,000 uses; DynamoDB uses it once in five minutes.
resource "aws_kms_key" "this" {
  count                   = var.customer_key ? 1 : 0
  description             = "${local.deployment}: table of objects, and the administrator's token"
  enable_key_rotation     = true
  deletion_window_in_days = 30 # a deleted table's last backup, which only this key opens, is kept for 35
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = local.tags

  lifecycle {
    create_before_destroy = true # that is, destroyed last: once table and token have another key
  }
}

resource "aws_kms_alias" "this" {
  count         = var.customer_key ? 1 : 0
  name          = "alias/${local.deployment}"
  target_key_id = aws_kms_key.this[0].key_id
}
