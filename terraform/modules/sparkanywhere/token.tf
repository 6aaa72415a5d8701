# The administrator's token, drawn by AWS and kept in Parameter Store, which costs nothing. It stands neither in
# Terraform's state nor in the functions' configuration; they read it with the first token that they are shown.
ephemeral "aws_secretsmanager_random_password" "admin_token" {
  count               = var.admin_token ? 1 : 0
  password_length     = 48
  exclude_punctuation = true
}

# Parameter Store takes a change of a parameter only together with its value, and the provider sends value_wo only when
# its version changes. So a change of the key draws another token, and the description stays as it was made.
resource "aws_ssm_parameter" "admin_token" {
  count            = var.admin_token ? 1 : 0
  name             = local.token_parameter
  description      = "Bearer token of the administrator of the Kubernetes API"
  type             = "SecureString"
  key_id           = var.customer_key ? aws_kms_key.this[0].arn : "alias/aws/ssm" # null would keep the key that it has
  value_wo         = ephemeral.aws_secretsmanager_random_password.admin_token[0].random_password
  value_wo_version = 2 * var.admin_token_version - (var.customer_key ? 1 : 0) # 1 by default, as it once was
  tags             = local.tags

  lifecycle {
    ignore_changes = [description]
  }
}
