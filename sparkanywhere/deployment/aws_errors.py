"""What botocore raises, and what an answer makes us raise that is not AWS's, as one sentence."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from botocore.parsers import ResponseParserError

from sparkanywhere.client.printable import brief

# A page in place of an answer cannot be parsed where a service speaks XML, and is an empty answer where it speaks JSON.
NO_ANSWER = (ResponseParserError, KeyError)
RAISED = (BotoCoreError, ClientError, ResponseParserError)
AWS_ERRORS = (*RAISED, KeyError)  # for a few lines that ask AWS: elsewhere a KeyError is our own fault


def sentence(error: Exception) -> str:
    """Return what AWS, or this machine's configuration of it, refuses."""
    if isinstance(error, NoCredentialsError):
        return "No AWS credentials: `aws configure`, `aws sso login`, or AWS_PROFILE."
    if isinstance(error, NoRegionError):
        return "No AWS region: --region, or AWS_DEFAULT_REGION."
    if isinstance(error, NO_ANSWER):
        return "What answers is not AWS: a proxy, or another server that AWS_ENDPOINT_URL names."
    return f"{brief(error).rstrip('.')}."
