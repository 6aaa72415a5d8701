"""Objects in the shape of their types: the fast way, the slow way, and that both agree."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.decoding.decode_errors import Normalized, explain
from chalicelib.apimachinery.decoding.normalize import NormalizeError, normalize
from chalicelib.apimachinery.decoding.parsing import DecodeError, Pairs
from chalicelib.apimachinery.schema import Type, find_type, named_type
from chalicelib.apimachinery.types import JSON

POD = named_type("core.v1.Pod")
SECRET = named_type("core.v1.Secret")
SERVICE = named_type("core.v1.Service")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def refusal(sent: object, kind: Type) -> str:
    with pytest.raises(DecodeError) as caught:
        explain(sent, kind)
    return str(caught.value)


def pod(**spec: Any) -> JSON:  # Any: fields of a pod's spec
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }


def test_faultless_object_comes_back_equal_and_new() -> None:
    sent = pod(restartPolicy="Never", volumes=[{"name": "v", "emptyDir": {}}])

    kept = normalize(sent, POD)

    assert kept == sent
    assert kept["spec"]["containers"] is not sent["spec"]["containers"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"hostNetwork": False, "nodeName": "", "tolerations": [], "nodeSelector": {}}, {}),
        ({"hostNetwork": None, "securityContext": None}, {}),
        ({"securityContext": {}}, {"securityContext": {}}),
        ({"enableServiceLinks": False, "priority": 0}, {"enableServiceLinks": False, "priority": 0}),
        ({"overhead": {"cpu": "0.5", "memory": "1024Mi"}}, {"overhead": {"cpu": "500m", "memory": "1Gi"}}),
    ],
)
def test_zeros_and_nulls_go_as_go_leaves_them_out(sent: JSON, kept: JSON) -> None:
    assert normalize(pod(**sent), POD) == pod(**kept)
    assert explain(pod(**sent), POD) == Normalized(pod(**kept), [])


def test_times_that_go_writes_as_null_stay_null() -> None:
    sent = {"status": {"conditions": [{"type": "Ready", "lastProbeTime": None, "message": None}]}}

    assert normalize(sent, POD) == {"status": {"conditions": [{"type": "Ready", "lastProbeTime": None}]}}
    assert explain(sent, POD).value == normalize(sent, POD)


def test_times_are_written_in_utc_seconds() -> None:
    sent = {**pod(), "metadata": {"name": "a", "creationTimestamp": "2026-01-02T04:04:05.5+01:00"}}

    assert normalize(sent, POD)["metadata"]["creationTimestamp"] == "2026-01-02T03:04:05Z"


def test_base64_is_written_plainly() -> None:
    assert normalize({"data": {"a": "aGVs\nbG8="}}, SECRET) == {"data": {"a": "aGVsbG8="}}


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        (pod(nope=1), ['unknown field "spec.nope"']),
        ({**pod(), "Kind": "x"}, ['unknown field "Kind"']),
        (pod(volumes=[{"name": "v", "zzz": {}}, {"x": 1}]), [
            'unknown field "spec.volumes[0].zzz"',
            'unknown field "spec.volumes[1].x"',
        ]),
        (pod(nope=None), ['unknown field "spec.nope"']),
    ],
)  # fmt: skip
def test_unknown_fields_are_named_and_dropped(sent: JSON, complaints: list[str]) -> None:
    with pytest.raises(NormalizeError):
        normalize(sent, POD)
    found = explain(sent, POD)

    assert found.complaints == complaints
    assert not explain(found.value, POD).complaints


def test_repeated_fields_are_named_and_the_last_counts() -> None:
    labels = Pairs([("a", "1"), ("a", "2")])
    found = explain(Pairs([("metadata", Pairs([("name", "d"), ("name", "e"), ("labels", labels)]))]), POD)

    assert found.complaints == ['duplicate field "metadata.name"', 'duplicate field "metadata.labels.a"']
    assert found.value == {"metadata": {"name": "e", "labels": {"a": "2"}}}


def test_complaints_have_an_end() -> None:
    sent = {f"x{index}": 1 for index in range(500)}

    assert len(explain(sent, POD).complaints) == 100


@pytest.mark.parametrize(
    ("sent", "kind", "found", "field", "wanted"),
    [
        (pod(restartPolicy=5), POD, "number", "PodSpec.spec.restartPolicy", "v1.RestartPolicy"),
        (pod(containers="x"), POD, "string", "PodSpec.spec.containers", "[]v1.Container"),
        ({"metadata": {"labels": {"a": 1}}}, POD, "number", "ObjectMeta.metadata.labels", "string"),
        ({"metadata": {"labels": []}}, POD, "array", "ObjectMeta.metadata.labels", "map[string]string"),
        ({"metadata": {"uid": True}}, POD, "bool", "ObjectMeta.metadata.uid", "types.UID"),
        ({"spec": "x"}, POD, "string", "Pod.spec", "v1.PodSpec"),
        (pod(containers=[{"image": {}}]), POD, "object", "Container.spec.containers.image", "string"),
        (pod(containers=[1]), POD, "number", "PodSpec.spec.containers", "v1.Container"),
        (pod(priority=2**31), POD, "number 2147483648", "PodSpec.spec.priority", "int32"),
        (pod(priority=1.5), POD, "number 1.5", "PodSpec.spec.priority", "int32"),
        (pod(hostNetwork=1), POD, "number", "PodSpec.spec.hostNetwork", "bool"),
        ({"metadata": {"creationTimestamp": 1}}, POD, "number", "ObjectMeta.metadata.creationTimestamp", "string"),
        ({"spec": {"ports": [{"targetPort": {}}]}}, SERVICE, "object", "ServicePort.spec.ports.targetPort", "int32"),
        ({"data": {"a": 1}}, SECRET, "number", "Secret.data", "[]uint8"),
    ],
)
def test_wrong_types_get_the_decoders_words(sent: object, kind: Type, found: str, field: str, wanted: str) -> None:
    with pytest.raises(NormalizeError):
        normalize(sent, kind)

    assert refusal(sent, kind) == (f"json: cannot unmarshal {found} into Go struct field {field} of type {wanted}")


def test_array_is_no_pod() -> None:
    assert refusal([], POD) == "json: cannot unmarshal array into Go value of type v1.Pod"


def test_first_wrong_type_is_told() -> None:
    assert "PodSpec.spec.nodeName" in refusal({"spec": {"nodeName": 1, "hostname": 2}}, POD)


@pytest.mark.parametrize("amount", ["x", True])
def test_bad_quantity_is_refused(amount: object) -> None:
    sent = pod(containers=[{"resources": {"limits": {"cpu": amount}}}])

    assert refusal(sent, POD).startswith("quantities must match the regular expression")


def test_number_is_a_quantity() -> None:
    sent = pod(containers=[{"resources": {"limits": {"cpu": 1}}}])

    assert explain(sent, POD).value["spec"]["containers"] == [{"resources": {"limits": {"cpu": "1"}}}]


def test_bad_time_is_refused() -> None:
    sent = {"metadata": {"creationTimestamp": "x"}}

    assert refusal(sent, POD) == "not an RFC 3339 time: 'x'"


def test_nulls_in_lists_become_empty_values() -> None:
    sent = pod(containers=[None], hostAliases=[{"hostnames": [None]}], nodeSelector={"a": None})

    assert explain(sent, POD).value["spec"] == {
        "containers": [{}],
        "hostAliases": [{"hostnames": [""]}],
        "nodeSelector": {"a": ""},
    }


@pytest.mark.parametrize("text", ["!!", "YQ", "aGVsbG8", "YQ==x", "YQ=x", "aGV*", "="])
def test_bad_base64_is_refused(text: str) -> None:
    assert refusal({"data": {"a": text}}, SECRET).startswith("illegal base64 data: ")


def test_an_empty_map_of_quantities_is_left_out_either_way() -> None:
    sent: JSON = {"spec": {"overhead": {}}}

    assert normalize(sent, POD) == explain(sent, POD).value == {"spec": {}}


def test_null_bytes_are_empty() -> None:
    assert explain({"data": {"a": None}}, SECRET).value == {"data": {"a": ""}}


def test_raw_json_is_left_alone() -> None:
    kind = named_type("apps.v1.ControllerRevision")
    sent = {"data": {"Any": [None, {"x": ""}]}, "revision": 0}

    assert normalize(sent, kind) == sent


def every_value() -> st.SearchStrategy[JSON]:
    fields = st.sampled_from(sorted(POD.fields) + sorted(named_type("core.v1.PodSpec").fields) + ["nope"])
    return st.recursive(
        JSON_VALUES,
        lambda inner: st.dictionaries(fields, inner, max_size=4) | st.lists(inner, max_size=2),
        max_leaves=12,
    ).map(lambda value: {"spec": value})


@given(every_value())
def test_both_ways_agree_and_neither_crashes(sent: JSON) -> None:
    before = copy.deepcopy(sent)
    try:
        slow = explain(sent, POD)
    except DecodeError:
        slow = None

    try:
        fast = normalize(sent, POD)
    except NormalizeError:
        return

    assert sent == before
    assert slow == Normalized(fast, [])


@pytest.mark.parametrize("kind", ["Pod", "ConfigMap", "Node", "Service"])
def test_shape_is_settled_by_one_pass(kind: str) -> None:
    found = find_type("", "v1", kind)
    assert found is not None
    sent = {"metadata": {"labels": {}, "name": "a", "annotations": {"x": ""}}, "kind": kind}

    once = normalize(sent, found)

    assert normalize(once, found) == once
