"""Pure: the S3 that a job's settings of S3A name, as a client of boto3 takes it. It loads botocore.

Reference: Hadoop 3.4, "Connecting to an Amazon S3 Bucket through the S3A Connector", "Per-Bucket Configuration".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.config import Config

_KEYS = {
    "aws_access_key_id": "access.key",
    "aws_secret_access_key": "secret.key",
    "aws_session_token": "session.token",
    "region_name": "endpoint.region",
}


def client_options(conf: Mapping[str, str], bucket: str) -> dict[str, Any]:  # Any: boto3 has no type for them
    """Return what boto3.client() takes beside the service's name; what the settings do not say is boto3's own.

    `conf` is Spark's, with the prefix spark.hadoop; its options of the bucket win.
    """

    def said(option: str) -> str:
        names = (f"spark.hadoop.fs.s3a.{place}{option}" for place in (f"bucket.{bucket}.", ""))
        return next((text for name in names if (text := conf.get(name, ""))), "")

    found: dict[str, Any] = {key: text for key, option in _KEYS.items() if (text := said(option))}
    endpoint = said("endpoint")
    if endpoint and not endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn")):  # boto3 finds those by the region
        scheme = "http" if said("connection.ssl.enabled").lower() == "false" else "https"
        found["endpoint_url"] = endpoint if "://" in endpoint else f"{scheme}://{endpoint}"
    if said("path.style.access").lower() == "true":
        found["config"] = Config(s3={"addressing_style": "path"})
    return found
