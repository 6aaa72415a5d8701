data "aws_caller_identity" "me" {}

data "aws_partition" "this" {}

locals {
  account   = data.aws_caller_identity.me.account_id
  partition = data.aws_partition.this.partition
}

# Kubernetes objects and the log of what happened to them. Paid by the request: nothing while nobody asks.
resource "aws_dynamodb_table" "objects" {
  name                        = "${var.name}-objects"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

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

  server_side_encryption {
    enabled = true
  }
}

# Staged job files and Spark's event logs.
resource "aws_s3_bucket" "files" {
  bucket        = "${var.name}-${local.account}-${var.region}"
  force_destroy = true
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

data "aws_iam_policy_document" "files_by_tls_only" {
  statement {
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
}

resource "aws_s3_bucket_policy" "files" {
  bucket     = aws_s3_bucket.files.id
  policy     = data.aws_iam_policy_document.files_by_tls_only.json
  depends_on = [aws_s3_bucket_public_access_block.files]
}
