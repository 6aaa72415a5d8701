"""Our own OpenAPI, asked at random by schemathesis: never a 5xx, for any operation that it documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Ok

from tests.api_client import ApiClient, control_plane

EXAMPLES = 2  # per operation; eighty of each were run while this was written
SEED = 5
GROUPS = (
    *("api/v1", "apis/apiextensions.k8s.io/v1", "apis/apps/v1", "apis/batch/v1", "apis/policy/v1"),
    *("apis/coordination.k8s.io/v1", "apis/discovery.k8s.io/v1", "apis/events.k8s.io/v1"),
    *("apis/networking.k8s.io/v1", "apis/rbac.authorization.k8s.io/v1", "apis/scheduling.k8s.io/v1"),
    *("apis/storage.k8s.io/v1", "apis/autoscaling/v1", "apis/autoscaling/v2", "apis/admissionregistration.k8s.io/v1"),
    "apis/sparkanywhere.io/v1alpha1",
)
# What a recorded real server answers by 500.
KNOWN = ("strconv.ParseUint", "resourceVersion should not be set", "failed to create typed patch object")

bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return a client of an API without limits."""
    folder: Path = tmp_path_factory.mktemp("plane")
    plane = control_plane(folder, user_requests_per_second=0, namespace_objects=0)
    yield ApiClient(plane)
    plane.close()


def test_every_group_is_asked(api: ApiClient) -> None:
    assert set(api.get("/openapi/v3")["paths"]) == set(GROUPS)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_no_documented_operation_makes_the_server_stumble(api: ApiClient, group: str) -> None:
    schema = schemathesis.openapi.from_dict(api.get(f"/openapi/v3/{group}"))
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]

    for operation in operations:

        @seed(SEED)
        @bounded
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:  # Any: schemathesis' Case
            _check(api, case)

        ask()

    assert operations


def _check(api: ApiClient, case: Any) -> None:  # Any: schemathesis' Case
    query = {key: value for key, value in (case.query or {}).items() if value is not None}
    if str(query.get("watch", "false")).lower() not in ("false", "0"):
        query["timeoutSeconds"] = "1"
    is_sent = case.body is not None and not isinstance(case.body, type(schemathesis.core.NOT_SET))
    body = json.dumps(case.body).encode() if is_sent else None

    answer = api.request(
        case.method.upper(),
        f"{case.formatted_path}?{urlencode(query, doseq=True)}",
        body,
        content_type=case.media_type or "application/json",
    )

    text = json.dumps(answer.body)
    assert answer.status < 500 or any(word in text for word in KNOWN), (case.method, case.path, body, text)
