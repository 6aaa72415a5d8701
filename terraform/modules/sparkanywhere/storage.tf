# Kubernetes objects and the log of what happened to them. Paid by the request: nothing while nobody asks.
resource "aws_dynamodb_table" "objects" {
  name                        = local.table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection
  tags                        = local.tags

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  # Without a key of ours, DynamoDB's own, which "enabled = false" says. An ARN that is only left out would change
  # nothing of a table that has our key, and the key would be deleted all the same.
  server_side_encryption {
    enabled     = var.customer_key
    kms_key_arn = one(aws_kms_key.this[*].arn)
  }
}

# Staged job files and Spark's event logs.
resource "aws_s3_bucket" "files" {
  bucket        = "${local.deployment}-${local.account}-${local.region}"
  force_destroy = !var.deletion_protection
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "files" {
  bucket                  = aws_s3_bucket.files.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "files" {
  bucket = aws_s3_bucket.files.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "files" {
  bucket = aws_s3_bucket.files.id

  rule {
    id     = "staged"
    status = "Enabled"

    filter {
      prefix = "staged/"
    }

    expiration {
      days = var.staged_file_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "event-logs"
    status = "Enabled"

    filter {
      prefix = "event-logs/"
    }

    expiration {
      days = var.event_log_days
    }

    # A driver that is killed leaves parts of its log, which nobody sees and which are paid for.
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

data "aws_iam_policy_document" "files" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.files.arn, "${aws_s3_bucket.files.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # A job's files belong to its user: pods and people get them by URLs that the control plane signs for them. Without
  # this, whoever may read the account's buckets, such as a principal of ReadOnlyAccess, could read them all.
  statement {
    sid       = "StagedFilesForTheFunctions"
    effect    = "Deny"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${aws_s3_bucket.files.arn}/staged/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = [aws_iam_role.control_plane.arn]
    }
  }
}

resource "aws_s3_bucket_policy" "files" {
  bucket     = aws_s3_bucket.files.id
  policy     = data.aws_iam_policy_document.files.json
  depends_on = [aws_s3_bucket_public_access_block.files]
}
