"""ResourceQuotas and LimitRanges through the whole API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.policy.quotas import Quotas
from tests.api_client import Answer, ApiClient, control_plane
from tests.inline import inline
from tests.memory_storage import MemoryStorage
from tests.waiting import until

STRATEGIC = "application/strategic-merge-patch+json"
BASE = "/api/v1/namespaces/default"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API."""
    plane = control_plane(tmp_path, namespace_objects=30)
    yield ApiClient(plane)
    plane.close()


def _pod(name: str, **resources: JSON) -> JSON:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}}


def _quota(api: ApiClient, hard: dict[str, str], **spec: Any) -> None:  # Any: fields of a spec
    api.create(f"{BASE}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}})


def _used(api: ApiClient) -> dict[str, str]:
    used: dict[str, str] = api.get(f"{BASE}/resourcequotas/q").get("status", {}).get("used", {})
    return used


def _message(answer: Answer) -> str:
    assert (answer.status, answer.reason) == (403, "Forbidden"), answer.body
    return str(answer.body["message"])


def test_pods_beyond_a_quota_are_forbidden_in_kubernetes_words(api: ApiClient) -> None:
    _quota(api, {"pods": "1"})
    api.create(f"{BASE}/pods", _pod("a"))

    answer = api.request("POST", f"{BASE}/pods", _pod("b"))

    assert _message(answer) == (
        'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    )
    assert _used(api) == {"pods": "1"}


def test_what_is_asked_for_is_summed_up_and_given_back(api: ApiClient) -> None:
    _quota(api, {"requests.cpu": "1", "limits.memory": "2Gi"})
    asked = {"requests": {"cpu": "600m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    api.create(f"{BASE}/pods", _pod("a", **asked))

    refused = api.request("POST", f"{BASE}/pods", _pod("b", **asked))
    used = _used(api)
    api.request("DELETE", f"{BASE}/pods/a")
    api.create(f"{BASE}/pods", _pod("b", **asked))

    assert "requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1" in _message(refused)
    assert used == {"requests.cpu": "600m", "limits.memory": "1Gi"}


def test_a_pod_that_leaves_out_what_a_quota_demands_is_forbidden(api: ApiClient) -> None:
    _quota(api, {"limits.cpu": "1", "requests.memory": "1Gi"})

    answer = api.request("POST", f"{BASE}/pods", _pod("a"))

    assert _message(answer) == (
        'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: c; requests.memory for: c'
    )


def _resize(api: ApiClient, cpu: str, **query: str) -> Answer:
    spec = {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}
    return api.request("PATCH", f"{BASE}/pods/a/resize", {"spec": spec}, content_type=STRATEGIC, query=query)


def test_a_pod_is_resized_within_its_quota_and_gives_back_what_it_needs_no_more(api: ApiClient) -> None:
    _quota(api, {"requests.cpu": "1"})
    api.create(f"{BASE}/pods", _pod("a", requests={"cpu": "200m"}))

    tried = [_resize(api, cpu, dryRun="All").status for cpu in ("1", "1001m")]
    resized = _resize(api, "900m").status
    used = _used(api)
    refused = _resize(api, "2")

    assert (tried, resized, used) == ([200, 403], 200, {"requests.cpu": "900m"})
    assert _message(refused) == (
        'pods "a" is forbidden: exceeded quota: q, requested: requests.cpu=1100m, used: requests.cpu=900m,'
        " limited: requests.cpu=1"
    )
    assert _resize(api, "100m").status == 200
    until(lambda: _used(api) == {"requests.cpu": "100m"}, "the quota to be counted anew")


CPU, LIMITED = {"requests": {"cpu": "500m"}}, {"requests": {"cpu": "500m"}, "limits": {"cpu": "500m"}}


@pytest.mark.parametrize(
    ("item", "before", "after", "why"),
    [
        ({"type": "Pod", "max": {"cpu": "1"}}, [CPU], [{"requests": {"cpu": "2"}}], "maximum cpu usage per Pod is 1."),
        (
            {"type": "Container", "min": {"cpu": "200m"}},
            [CPU],
            [{"requests": {"cpu": "100m"}}],
            "minimum cpu usage per Container is 200m, but request is 100m",
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}},
            [LIMITED],
            [{"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}}],
            "cpu max limit to request ratio per Container is 2, but provided ratio is 5",
        ),
        (
            {"type": "Container", "max": {"cpu": "600m"}},
            [LIMITED, LIMITED],
            [{kind: {"cpu": cpu} for kind in LIMITED} for cpu in ("300m", "700m")],  # one takes from the other
            "maximum cpu usage per Container is 600m, but limit is 700m",
        ),
        (
            {"type": "Container", "min": {"memory": "64Mi"}},
            [{"requests": {"cpu": "1", "memory": "128Mi"}}],
            [{"requests": {"memory": "32Mi"}}],
            "minimum memory usage per Container is 64Mi, but request is 32Mi",
        ),
    ],
)
def test_a_resized_pod_is_held_to_a_limit_range_as_a_new_one_is(
    api: ApiClient, item: JSON, before: list[JSON], after: list[JSON], why: str
) -> None:
    def containers(each: list[JSON]) -> list[JSON]:
        return [{"name": f"c{at}", "image": "i", "resources": resources} for at, resources in enumerate(each)]

    api.create(f"{BASE}/pods", {"metadata": {"name": "a"}, "spec": {"containers": containers(before)}})
    api.create(f"{BASE}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [item]}})

    spec = {"containers": containers(after)}
    answer = api.request("PATCH", f"{BASE}/pods/a/resize", {"spec": spec}, content_type=STRATEGIC)

    assert why in _message(answer)
    labelled = {"metadata": {"labels": {"of": "old"}}}  # the bounds came later: they are of no concern to other changes
    assert api.request("PATCH", f"{BASE}/pods/a", labelled, content_type=STRATEGIC).status == 200


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"requests": {"cpu": "300m"}}, {"requests": {"cpu": "300m", "memory": "64Mi"}, "limits": {"cpu": "2"}}),
        ({"limits": {"cpu": "1"}}, {"requests": {"cpu": "200m", "memory": "64Mi"}, "limits": {"cpu": "1"}}),
    ],
)
def test_a_resized_pod_gets_the_defaults_of_a_limit_range_that_came_later(
    api: ApiClient, sent: JSON, expected: JSON
) -> None:
    """As by LimitRanger, which supports the subresource: limitranger/admission.go, SupportsAttributes, v1.36."""
    pod = api.create(f"{BASE}/pods", _pod("a", requests={"cpu": "200m"}))
    item = {"type": "Container", "default": {"cpu": "2"}, "defaultRequest": {"memory": "64Mi", "cpu": "1"}}
    api.create(f"{BASE}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [item]}})

    spec = {"containers": [{"name": "c", "resources": sent}]}
    answer = api.request("PATCH", f"{BASE}/pods/a/resize", {"spec": spec}, content_type=STRATEGIC)
    others = api.request("PATCH", f"{BASE}/pods/a", {"metadata": {"labels": {"b": "c"}}}, content_type=STRATEGIC)

    assert others.body["spec"]["containers"][0]["resources"] == expected, answer.body
    assert others.body["metadata"].get("annotations") == pod["metadata"].get("annotations")


@pytest.mark.parametrize("spec", [{"containers": "none"}, {"containers": [1]}, {"containers": [{"resources": []}]}])
def test_a_malformed_resize_is_refused_where_there_is_a_limit_range(api: ApiClient, spec: JSON) -> None:
    pod = api.create(f"{BASE}/pods", _pod("a", requests={"cpu": "200m"}))
    item = {"type": "Container", "default": {"cpu": "2"}}
    api.create(f"{BASE}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [item]}})

    assert 400 <= api.request("PUT", f"{BASE}/pods/a/resize", {**pod, "spec": spec}).status < 500


MORE = {"requests": {"cpu": "5"}}
DEBUG = {"name": "d", "image": "i", "resources": MORE}


GROWING: list[tuple[str, JSON]] = [
    ("", {"containers": [{"name": "c", "resources": MORE}]}),
    ("", {"containers": [{"name": "d", "image": "i", "resources": MORE}]}),
    ("", {"initContainers": [{"name": "d", "image": "i", "resources": MORE}]}),
    ("", {"overhead": {"cpu": "5"}}),
    ("", {"resources": MORE}),
    ("", {"ephemeralContainers": [DEBUG]}),
    ("/ephemeralcontainers", {"ephemeralContainers": [DEBUG]}),
    ("/ephemeralcontainers", {"containers": [{"name": "c", "resources": MORE}]}),
    ("/resize", {"initContainers": [{"name": "d", "image": "i", "resources": MORE}]}),
    ("/status", {"containers": [{"name": "c", "resources": MORE}]}),
]


@pytest.mark.parametrize(("verb", "content_type"), [("PATCH", STRATEGIC), ("PUT", "application/json")])
def test_there_is_no_other_way_for_a_pod_to_grow(api: ApiClient, verb: str, content_type: str) -> None:
    _quota(api, {"requests.cpu": "1"})
    pod = api.create(f"{BASE}/pods", _pod("a", requests={"cpu": "200m"}))

    for subresource, spec in GROWING:
        sent = {"spec": spec} if verb == "PATCH" else {**pod, "spec": {**pod["spec"], **spec}}
        answer = api.request(verb, f"{BASE}/pods/a{subresource}", sent, content_type=content_type)
        now = api.get(f"{BASE}/pods/a")["spec"]
        assert answer.status in (200, 422), answer.body
        assert now["containers"] == pod["spec"]["containers"], (subresource, spec)
        assert {"overhead", "resources", "initContainers", "ephemeralContainers"}.isdisjoint(now)

    assert _used(api) == {"requests.cpu": "200m"}


@pytest.mark.parametrize("key", ["secrets", "count/secrets"])
def test_other_objects_are_counted_too(api: ApiClient, key: str) -> None:
    _quota(api, {key: "1"})
    api.create(f"{BASE}/secrets", {"metadata": {"name": "a"}})

    answer = api.request("POST", f"{BASE}/secrets", {"metadata": {"name": "b"}})

    assert f"exceeded quota: q, requested: {key}=1, used: {key}=1, limited: {key}=1" in _message(answer)


def test_a_failed_create_and_a_dry_run_take_nothing(api: ApiClient) -> None:
    _quota(api, {"secrets": "2"})
    api.create(f"{BASE}/secrets", {"metadata": {"name": "a"}})

    assert api.request("POST", f"{BASE}/secrets", {"metadata": {"name": "a"}}).status == 409
    assert api.request("POST", f"{BASE}/secrets?dryRun=All", {"metadata": {"name": "b"}}).status == 201

    until(lambda: _used(api) == {"secrets": "1"}, "the quota to be counted anew")
    api.create(f"{BASE}/secrets", {"metadata": {"name": "b"}})


def test_many_at_once_never_get_more_than_there_is(api: ApiClient) -> None:
    _quota(api, {"secrets": "5"})
    codes: list[int] = []

    def create(number: int) -> None:
        codes.append(api.request("POST", f"{BASE}/secrets", {"metadata": {"name": f"c{number}"}}).status)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [201] * 5 + [403] * 11


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        ({"hard": {"pods": "0"}, "scopes": ["BestEffort"]}, "spec: a quota with scopes is stored"),
        ({"hard": {"services.nodeports": "0"}}, "spec.hard[services.nodeports]: not enforced"),
    ],
)
def test_a_quota_that_is_not_enforced_says_so(api: ApiClient, spec: JSON, warning: str) -> None:
    answer = api.request("POST", f"{BASE}/resourcequotas", {"metadata": {"name": "q"}, "spec": spec})
    api.create(f"{BASE}/pods", _pod("a"))

    assert warning in str(answer.headers["warning"])
    assert _used(api) in ({}, {"services.nodeports": "0"})


def test_side_cars_count_beside_the_main_containers_and_init_containers_before_them(api: ApiClient) -> None:
    _quota(api, {"requests.cpu": "10", "limits.memory": "10Gi"})
    pod = _pod("a", requests={"cpu": "1"}, limits={"memory": "1Gi"})
    asked = {"requests": {"cpu": "500m"}, "limits": {"memory": "512Mi"}}
    large = {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}}
    pod["spec"]["initContainers"] = [
        {"name": "s", "image": "i", "resources": asked, "restartPolicy": "Always"},
        {"name": "i", "image": "i", "resources": large},
    ]

    api.create(f"{BASE}/pods", pod)

    assert _used(api) == {"requests.cpu": "2500m", "limits.memory": "1536Mi"}


def test_a_limit_range_fills_in_what_is_left_out(api: ApiClient) -> None:
    item = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "250m"}}
    api.create(f"{BASE}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [item]}})

    pod = api.create(f"{BASE}/pods", _pod("a"))

    resources = pod["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "500m"}, "requests": {"cpu": "250m"}}
    assert pod["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    }


def test_pods_out_of_bounds_are_forbidden_in_kubernetes_words(api: ApiClient) -> None:
    item = {"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "100m"}}
    api.create(f"{BASE}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [item]}})

    much = api.request("POST", f"{BASE}/pods", _pod("a", limits={"cpu": "2"}))
    little = api.request("POST", f"{BASE}/pods", _pod("a", requests={"cpu": "50m"}))

    assert _message(much) == ('pods "a" is forbidden: maximum cpu usage per Container is 1, but limit is 2')
    assert "minimum cpu usage per Container is 100m, but request is 50m" in _message(little)


def test_a_namespace_holds_only_so_many_objects_of_a_resource(api: ApiClient) -> None:
    api.create("/api/v1/namespaces", {"metadata": {"name": "n1"}})
    url = "/api/v1/namespaces/n1/secrets"
    for number in range(30):
        api.create(url, {"metadata": {"name": f"s{number}"}})

    answer = api.request("POST", url, {"metadata": {"name": "one-more"}})

    assert "used: count/secrets=30, limited: count/secrets=30" in _message(answer)


class CountingStorage(MemoryStorage):
    """A store that knows how often its ConfigMaps were counted."""

    counts = 0

    def count(self, prefix: str) -> int:
        """Count."""
        self.counts += prefix.startswith("/registry/secrets/")
        return super().count(prefix)


def test_a_namespace_is_not_counted_while_there_is_room() -> None:
    storage = CountingStorage()
    quotas = Quotas(storage=storage, later=inline, max_objects=10)
    objs: list[JSON] = [{"metadata": {"name": f"c{n}", "uid": f"u{n}", "namespace": "default"}} for n in range(11)]

    for obj in objs[:10]:
        with quotas.reserve("secrets", obj, storage, is_dry_run=False):
            storage.create(f"/registry/secrets/default/{obj['metadata']['name']}", obj)
    with (
        pytest.raises(StatusError, match="exceeded quota"),
        quotas.reserve("secrets", objs[10], storage, is_dry_run=False),
    ):
        storage.create("/registry/secrets/default/c10", objs[10])

    assert storage.counts == 2  # when it may be full, and when it is
