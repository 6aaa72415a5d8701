"""Accept headers choose the representation; what nobody can write is 406."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.endpoints.http.responses import Representation, negotiate

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Representation()),
        ("*/*", Representation()),
        (f"{TABLE},application/json", Representation("Table", "v1")),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Representation("Table", "v1beta1")),
        ("application/vnd.kubernetes.protobuf,application/json", Representation()),
        ("application/json;as=Nope;v=v1;g=meta.k8s.io,application/json", Representation()),
        ("application/yaml", Representation(is_yaml=True)),
        (f"application/json;q=0.1,{TABLE};q=0.9", Representation("Table", "v1")),
    ],
)
def test_the_best_known_representation_is_chosen(header: str, expected: Representation) -> None:
    assert negotiate(header, is_list=True) == expected


@pytest.mark.parametrize("header", ["text/html", "application/json;as=Nope;v=v1;g=meta.k8s.io"])
def test_what_we_cannot_write_is_refused(header: str) -> None:
    with pytest.raises(StatusError) as caught:
        negotiate(header, is_list=False)

    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")
