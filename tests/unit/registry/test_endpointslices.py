"""EndpointSlices are bounded as on a real server."""

from __future__ import annotations

from chalicelib.resources.network.endpoints import MAX_PORTS, EndpointSliceStrategy


def test_a_slice_of_too_many_ports_is_refused_in_one_sentence() -> None:
    ports = [{"port": 1, "protocol": "none"}] * (MAX_PORTS + 1)

    causes = EndpointSliceStrategy().validate({"addressType": "IPv4", "endpoints": [], "ports": ports})

    assert [cause.message for cause in causes] == ["Too many: 20001: must have at most 20000 items"]
