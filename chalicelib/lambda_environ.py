"""What its environment says of this process as a Lambda function: which one it is, and what events it hears of.

Lambda Developer Guide, "Defined runtime environment variables" (2026).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from chalicelib.config import PREFIX
from chalicelib.providers import registry


def runs_on_lambda(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether this process is an AWS Lambda function, which always has that variable."""
    env = os.environ if environ is None else environ
    return "AWS_LAMBDA_FUNCTION_NAME" in env


def functions_prefix(environ: Mapping[str, str] | None = None) -> str:
    """Return what the names of this deployment's Lambda functions begin with, "" outside of Lambda.

    The API's function has that as its name; each other one's ends in a dash and what it is called in app.py.
    """
    env = os.environ if environ is None else environ
    return env.get("AWS_LAMBDA_FUNCTION_NAME", "").removesuffix(f"-{function_name(env)}")


def function_name(environ: Mapping[str, str] | None = None) -> str:
    """Return what this process's Lambda function is called in app.py, "" outside of Lambda."""
    env = os.environ if environ is None else environ
    return env.get("_HANDLER", "").rpartition(".")[2]


def event_pattern(environ: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """Return which events of EventBridge tell of tasks, None where there are none.

    It is needed at import, where a wrong setting could tell nobody: then there are none either.
    """
    env = os.environ if environ is None else environ
    try:
        events = registry.find(env.get(f"{PREFIX}PROVIDER") or registry.DEFAULT).events
    except registry.UnknownProvider:
        return None
    return events.pattern(env) if events else None
