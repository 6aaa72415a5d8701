"""Botocore's descriptions, read by us, are those that botocore reads, each of them once."""

from __future__ import annotations

import os
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.session import Session

from chalicelib.aws_models import MODELS, Models, PlainFiles


class CountedFiles(PlainFiles):
    """Keeps the names of what it has read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def load_file(self, file_path: str) -> Any:  # Any: whatever JSON holds
        """Return what a file holds."""
        found = super().load_file(file_path)
        if found is not None:
            self.read.append(os.path.basename(file_path))
        return found


@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1"])
@pytest.mark.parametrize(
    "service", ["dynamodb", "ecs", "lambda", "logs", "s3", "secretsmanager", "service-quotas", "ssm"]
)
def test_a_description_is_what_botocore_reads(service: str, kind: str) -> None:
    models = Models(file_loader=PlainFiles())  # requests to S3 change the description that they are made by

    assert models.load_service_model(service, kind) == Loader().load_service_model(service, kind)


def test_an_unknown_service_is_botocores_error() -> None:
    with pytest.raises(UnknownServiceError):
        MODELS.load_service_model("nothing", "service-2")


def test_what_two_sessions_need_is_read_once() -> None:
    files = CountedFiles()
    models = Models(file_loader=files)

    for service in ("ecs", "lambda"):
        session = Session()
        session.register_component("data_loader", models)
        session.create_client(service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")

    assert files.read.count("endpoints") == 1
    assert files.read.count("service-2") == 2
