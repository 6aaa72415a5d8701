"""What those are told who ask for something whose optional dependency is not installed."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions

import pytest

from chalicelib import extras
from chalicelib.config import Settings, SettingsError
from chalicelib.files.base import FileStoreUnavailable
from chalicelib.files.bucket import s3_client
from chalicelib.plane.backends import build_storage
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.secret_value import check_arn
from chalicelib.storage.base import StorageUnavailable
from sparkanywhere.client.kube_client import Access, KubeClient
from sparkanywhere.jobs.job_files import FileFailed, Sorted
from sparkanywhere.jobs.staging import bring
from sparkanywhere.local.providers import engine
from sparkanywhere.project import PROJECT

TOKEN_ARN = "arn:aws:ssm:eu-west-1:123456789012:parameter/token"


def _built(provider: str) -> object:
    settings = Settings(provider=provider)
    return registry.find(provider).build(settings.provider_context(settings.declaration, {}))


# who asks: the extra, what is asked for, how it is refused
ASKED: dict[str, tuple[str, Callable[[], object], type[Exception]]] = {
    "sparkanywhere image": ("docker", lambda: engine(Settings()), ProviderUnavailable),
    "provider docker": ("docker", lambda: _built("docker"), ProviderUnavailable),
    "provider fargate": ("aws", lambda: _built("fargate"), ProviderUnavailable),
    "provider azure": ("azure", lambda: _built("azure"), ProviderUnavailable),
    "store dynamodb": ("aws", lambda: build_storage(Settings(storage="dynamodb")), StorageUnavailable),
    "files in a bucket": ("aws", lambda: s3_client("eu-west-1"), FileStoreUnavailable),
    "token from a secret": ("aws", lambda: check_arn(TOKEN_ARN), SettingsError),
    "job with s3:// files": (
        "aws",
        lambda: bring(KubeClient(Access("http://127.0.0.1:9")), "default", Sorted((), (), ("s3://bucket/key",))),
        FileFailed,
    ),
}


@pytest.mark.parametrize("who", ASKED)
def test_whoever_needs_an_extra_is_told_its_name(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra, ask, refusal = ASKED[who]
    for package in extras.PACKAGES[extra]:
        monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(refusal) as refused:
        ask()

    text = getattr(refused.value, "message", "") or str(refused.value)
    assert text.endswith(f'must be installed: pip install "sparkanywhere[{extra}]"')
    assert "\n" not in text


def test_extras_bring_the_packages_that_are_asked_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {
        extra: {re.split(r"[^a-z0-9-]", each)[0] for each in wanted}
        for extra, wanted in project["optional-dependencies"].items()
    }

    of_package = packages_distributions()  # grpc is a package of grpcio
    assert {
        extra: declared[extra] - {"pyspark", "pandas"} for extra in extras.PACKAGES
    } == {  # session() asks for these
        extra: {of_package.get(each, [each.replace(".", "-")])[0] for each in packages}
        for extra, packages in extras.PACKAGES.items()
    }
    assert extras.lacking("aws") == extras.lacking("docker") == extras.lacking("connect") == ""
