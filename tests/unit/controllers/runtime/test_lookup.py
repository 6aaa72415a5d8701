"""What pods refer to, and the tokens made for them."""

from __future__ import annotations

import pytest

from chalicelib.controllers.podmodel.references import TokenRequest
from chalicelib.controllers.runtime.tokens import TokenInvalid, TokenIssuer
from chalicelib.controllers.translation.credentials import TOKEN_SECONDS, PodTokens
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


def test_object_is_found_by_its_name(w: World) -> None:
    w.create("configmaps", "conf", data={"k": "v"})

    found = w.lookup.find("configmaps", "ns", "conf")

    assert found is not None
    assert found["data"] == {"k": "v"}
    assert w.lookup.find("configmaps", "other", "conf") is None
    assert w.lookup.find("secrets", "ns", "conf") is None


def test_only_objects_that_mention_a_text_are_read(w: World) -> None:
    w.create("configmaps", "one", data={"app": "pi"})
    w.create("configmaps", "two", data={"app": "other"})

    names = [found["metadata"]["name"] for found in w.lookup.mentioning("configmaps", "ns", ['"pi"', '"x"'])]

    assert names == ["one"]
    assert w.lookup.mentioning("configmaps", "ns", []) == []


def issuer_of(w: World) -> TokenIssuer:
    return TokenIssuer(w.storage, clock=w.clock, new_uid=lambda: "signing-key")


def request(w: World, **fields: object) -> TokenRequest:
    pod = w.pod()["metadata"]
    about = {"namespace": "ns", "service_account": "default", "pod_name": "a", "pod_uid": pod["uid"]}
    return TokenRequest(**{**about, **fields})


def test_token_stands_for_its_account_and_dies_with_its_pod(w: World) -> None:
    w.create_pod()
    issuer = issuer_of(w)

    token = PodTokens(issuer)(request(w), w.lookup)

    claims = issuer.verify(token)
    assert (claims.namespace, claims.service_account, claims.pod_name) == ("ns", "default", "a")
    w.delete("pods", "a", grace_seconds=0)
    with pytest.raises(TokenInvalid):
        issuer.verify(token)


def test_token_outlives_a_long_job_unless_it_is_for_somebody_else(w: World) -> None:
    w.create_pod()
    issuer = issuer_of(w)
    tokens = PodTokens(issuer)
    ours = tokens(request(w, expiration_seconds=3607), w.lookup)
    theirs = tokens(request(w, audience="vault", expiration_seconds=600), w.lookup)

    w.pass_time(TOKEN_SECONDS - 1)

    assert issuer.verify(ours).pod_name == "a"
    with pytest.raises(TokenInvalid):
        issuer.verify(theirs, "vault")


def test_account_must_be_there_unless_it_is_the_default_one(w: World) -> None:
    w.create_pod()
    tokens = PodTokens(issuer_of(w))

    with pytest.raises(LookupError):
        tokens(request(w, service_account="spark"), w.lookup)
    w.create("serviceaccounts", "spark")

    assert tokens(request(w, service_account="spark"), w.lookup)


def test_pod_whose_service_account_went_before_it_started_waits_for_it() -> None:
    w = World(MemoryStorage(), token="administrators")  # a control plane that asks for tokens gives out some

    w.create("serviceaccounts", "spark")
    w.create_pod(serviceAccountName="spark", schedulingGates=[{"name": "g"}])
    w.delete("serviceaccounts", "spark")
    key = object_key("pods", "ns", "a")
    guaranteed_update(w.storage, key, lambda pod: {**pod, "spec": {**pod["spec"], "schedulingGates": []}})
    w.pods.sync(w.pod())
    assert w.provider.tasks == []
    w.create("serviceaccounts", "spark")

    (task,) = w.provider.tasks
    assert [file.path for file in task.volumes[0].files] == ["token", "namespace"]
