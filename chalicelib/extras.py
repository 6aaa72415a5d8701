"""What is installed only for those who ask for it: pyproject.toml's optional dependencies."""

from __future__ import annotations

from importlib.util import find_spec

PACKAGES = {"docker": ("docker",), "aws": ("boto3", "pynamodb"), "connect": ("grpc",)}  # those that our code imports


def lacking(extra: str) -> str:
    """Return in a sentence what to install where a package of the extra is missing, "" where all are there.

    The AWS Lambda runtime has its own boto3.
    """
    missing = [package for package in PACKAGES[extra] if find_spec(package) is None]
    return f'{" and ".join(missing)} must be installed: pip install "sparkanywhere[{extra}]"' if missing else ""
