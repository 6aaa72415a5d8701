"""What is installed only for those who ask for it: pyproject.toml's optional dependencies."""

from __future__ import annotations

from importlib.util import find_spec

PACKAGES = {  # those that our code imports
    "aws": ("boto3", "pynamodb"),
    "azure": ("azure.identity", "requests"),
    "connect": ("grpc",),
    "docker": ("docker",),
}


def lacking(extra: str) -> str:
    """Return in a sentence what to install where a package of the extra is missing, "" where all are there.

    The AWS Lambda runtime has its own boto3.
    """
    missing = [package for package in PACKAGES[extra] if not _is_there(package)]
    return f'{" and ".join(missing)} must be installed: pip install "sparkanywhere[{extra}]"' if missing else ""


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # nor is what it is a part of
        return False
