# The administrator's token, drawn by AWS and kept in Parameter Store, which costs nothing. It stands neither in
# Terraform's state nor in the functions' configuration; they read it with the first token that they are shown.
ephemeral "aws_secretsmanager_random_password" "admin_token" {
  count               = var.admin_token ? 1 : 0
  password_length     = 48
  exclude_punctuation = true
}

resource "aws_ssm_parameter" "admin_token" {
  count            = var.admin_token ? 1 : 0
  name             = local.token_parameter
  description      = "Bearer token of the administrator of the Kubernetes API"
  type             = "SecureString"
  key_id           = one(aws_kms_key.this[*].arn)
  value_wo         = ephemeral.aws_secretsmanager_random_password.admin_token[0].random_password
  value_wo_version = var.admin_token_version
  tags             = local.tags
}
