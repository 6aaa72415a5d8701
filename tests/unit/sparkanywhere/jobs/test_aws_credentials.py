"""A job on this machine that reads S3 gets the caller's AWS credentials as files of a Secret; others get nothing."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials

from chalicelib.controllers.cluster.shared_folders import file_system
from sparkanywhere.jobs.aws_credentials import with_credentials
from sparkanywhere.jobs.job_files import FileFailed
from sparkanywhere.jobs.spark_properties import properties
from sparkanywhere.jobs.spec import JobSpec
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient


@pytest.fixture(autouse=True)
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with a user's AWS files, and no other credentials; return the file of credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    credentials, config = tmp_path / "credentials", tmp_path / "config"
    credentials.write_text(
        "[work]\naws_access_key_id = AKWORK\naws_secret_access_key = s3cr3t/+\naws_session_token = t0k\n"
    )
    config.write_text("[profile work]\nregion = eu-west-1\n[profile gone]\nsource_profile = nobody\nrole_arn = arn:x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return credentials


def add_node(kube: InProcessClient, provider: str, **told: Any) -> None:
    """Make the node of a provider whose pods run on this machine, or as the test says."""
    shared = {"paths": [], "user": "", "is_mounted": False, "file_system": file_system(), **told}
    kube.add_node(provider, shared_folders=json.dumps(shared))


def given(kube: InProcessClient, **fields: Any) -> tuple[JobSpec, dict[str, str], list[str]]:
    """Return a job with what goes along, the texts of its Secret, and what was said."""
    said: list[str] = []
    asked = JobSpec(application="local:///etl.py", **{"jar_sets": ("s3",), **fields})
    spec, made = with_credentials(kube, asked, name="etl-aws", say=said.append)
    texts = {key: base64.b64decode(text).decode() for _, secret in made for key, text in secret["data"].items()}
    assert (spec is asked) == (not made)
    return spec, texts, said


@pytest.mark.parametrize("provider", ["process", "docker"])
def test_a_profile_goes_along_as_files(kube: InProcessClient, provider: str) -> None:
    add_node(kube, provider)

    spec, texts, said = given(kube)

    assert texts == {
        "credentials": (
            "[default]\naws_access_key_id = AKWORK\naws_secret_access_key = s3cr3t/+\naws_session_token = t0k\n"
        ),
        "config": "[default]\nregion = eu-west-1\n",
    }
    assert spec.secrets == {"etl-aws": "/opt/sparkanywhere/aws"}
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CREDENTIAL_PROFILES_FILE"):  # of the SDK's versions 2 and 1
        assert spec.env[name] == "/opt/sparkanywhere/aws/credentials"
    assert said == ["Your AWS credentials (profile work) go along, in a Secret that is deleted when the job has ended"]


def test_nothing_of_them_is_in_the_environment_or_in_a_setting(kube: InProcessClient) -> None:
    add_node(kube, "process")

    spec, _, said = given(kube)

    told = json.dumps([dict(spec.env), properties(spec, name="etl", app_id="spark-1"), said])
    assert "AKWORK" not in told
    assert "s3cr3t" not in told


def test_variables_of_the_callers_shell_go_along_as_files_too(
    kube: InProcessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_node(kube, "process")
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")

    _, texts, said = given(kube)

    assert texts["credentials"] == "[default]\naws_access_key_id = AKENV\naws_secret_access_key = other\n"
    assert "(of your environment)" in said[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"jar_sets": ("iceberg",)},
        {"env": {"AWS_PROFILE": "mine"}},
        {"secret_env": {"AWS_ACCESS_KEY_ID": "aws:id"}},
        {"conf": {"spark.hadoop.fs.s3a.access.key": "x"}},
        {"conf": {"spark.hadoop.fs.s3a.aws.credentials.provider": "x"}},
    ],
)
def test_who_needs_none_or_has_chosen_otherwise_gets_none(kube: InProcessClient, fields: dict[str, Any]) -> None:
    add_node(kube, "process")

    _, texts, said = given(kube, **fields)

    assert (texts, said) == ({}, [])


def test_pods_on_other_machines_have_a_role(kube: InProcessClient) -> None:
    kube.add_node("fargate")

    assert given(kube)[1:] == ({}, [])


NOT_HERE = "Your AWS credentials do not go along: nothing shows that control plane and pods are on this machine."


def test_a_control_plane_elsewhere_gets_none(kube: InProcessClient) -> None:
    add_node(kube, "docker")
    kube.host_name = "spark.example"

    assert given(kube)[1:] == ({}, [NOT_HERE])


@pytest.mark.parametrize("provider", ["process", "docker"])
def test_another_machine_behind_a_tunnel_gets_none(kube: InProcessClient, provider: str) -> None:
    add_node(kube, provider, file_system="another-machine")

    assert given(kube)[1:] == ({}, [NOT_HERE])


def test_an_engine_of_another_machine_gets_none(kube: InProcessClient) -> None:
    kube.add_node("docker")

    assert given(kube)[1:] == ({}, [NOT_HERE])


def test_without_any_it_is_said_what_makes_them(kube: InProcessClient, monkeypatch: pytest.MonkeyPatch) -> None:
    add_node(kube, "process")
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")

    _, texts, said = given(kube)

    assert texts == {}
    assert said == ["There are no AWS credentials here that could go along: `aws configure` makes them."]


def test_the_role_of_the_machine_is_left_to_its_pods(kube: InProcessClient, monkeypatch: pytest.MonkeyPatch) -> None:
    add_node(kube, "docker")
    role = Credentials("AKROLE", "secret", method="iam-role")
    monkeypatch.setattr("boto3.Session.get_credentials", lambda _session: role)

    assert given(kube)[1:] == ({}, [])


@pytest.mark.parametrize("name", ["gone", "nosuch"])
def test_a_profile_that_cannot_be_used_is_one_sentence(
    kube: InProcessClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add_node(kube, "process")
    monkeypatch.setenv("AWS_PROFILE", name)

    with pytest.raises(FileFailed, match=r"^Your AWS credentials for --with cannot be had: .*; log in again.$"):
        given(kube)
