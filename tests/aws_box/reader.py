"""Somebody with AWS' managed policy ReadOnlyAccess: what he finds in the account, and what he can sign.

The policy lets one describe tasks and definitions and read logs and functions' configuration. It has no kms:Decrypt, so
that it opens neither a table nor a parameter under a key of the customer's own (AWS Managed Policy Reference Guide,
ReadOnlyAccess, 2026), which Terraform's tests hold them to.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import boto3
from botocore.signers import RequestSigner

from tests.aws_box.box import AwsBox
from tests.aws_box.deployment import stage
from tests.aws_box.fake_sts import Credentials


def readable(box: AwsBox) -> dict[str, str]:
    """Return all that such a reader sees of the box, by its place."""
    tasks = [task.described() for task in box.ecs.tasks]
    return {
        "tasks": json.dumps(tasks),
        "definitions": json.dumps(box.ecs.definitions),
        "logs of tasks": box.logs.text(""),
        "logs of functions": box.deployment.log.read_text(),
        "configuration of functions": json.dumps({key: text for key, text in stage().items() if key != "TOKEN"}),
    }


def proof(credentials: Credentials, audience: str) -> str:
    """Return what the holder of credentials can sign, by botocore, as `aws eks get-token` does."""
    session: Any = boto3.Session(
        aws_access_key_id=credentials.key_id,
        aws_secret_access_key=credentials.secret,
        aws_session_token=credentials.token,
        region_name="us-east-1",
    )
    service = session.client("sts").meta.service_model.service_id
    signer = RequestSigner(service, "us-east-1", "sts", "v4", session.get_credentials(), session.events)
    query = "Action=GetCallerIdentity&Version=2011-06-15"
    request = {
        "method": "GET",
        "url": f"https://sts.us-east-1.amazonaws.com/?{query}",
        "body": {},
        "headers": {"x-k8s-aws-id": audience},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name="us-east-1", expires_in=60, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
