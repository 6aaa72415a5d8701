"""What botocore raises, as one sentence."""

from __future__ import annotations

from botocore.exceptions import NoCredentialsError, NoRegionError

from sparkanywhere.client.printable import brief


def sentence(error: Exception) -> str:
    """Return what AWS, or this machine's configuration of it, refuses."""
    if isinstance(error, NoCredentialsError):
        return "No AWS credentials: `aws configure`, `aws sso login`, or AWS_PROFILE."
    if isinstance(error, NoRegionError):
        return "No AWS region: --region, or AWS_DEFAULT_REGION."
    return f"{brief(error).rstrip('.')}."
