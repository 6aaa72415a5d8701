"""The account's quotas: asked once an hour, and no error of theirs is anybody's."""

from __future__ import annotations

from typing import Any

from chalicelib.providers.fargate.quotas import FRESH_SECONDS, AccountQuotas
from tests.unit.providers.fargate.fake_api import Refusal


class ServiceQuotas:
    """Answers with quotas by code, or refuses one that it does not have."""

    def __init__(self, **values: float) -> None:
        self.values = {code.replace("_", "-"): value for code, value in values.items()}
        self.asked = 0

    def get_service_quota(self, *, ServiceCode: str, QuotaCode: str) -> dict[str, Any]:
        assert ServiceCode == "fargate"
        self.asked += 1
        if QuotaCode not in self.values:
            raise Refusal("AccessDeniedException", "not authorized")
        return {"Quota": {"Value": self.values[QuotaCode]}}


def test_quotas_are_asked_for_once_an_hour_and_name_the_command_for_more() -> None:
    api, now = ServiceQuotas(L_3032A538=6, L_36FBB829=64), [0.0]
    quotas = AccountQuotas(lambda: api, lambda: now[0])

    first = quotas.get()
    again = quotas.get()
    api.values["L-3032A538"] = 4000
    now[0] = FRESH_SECONDS
    later = quotas.get()

    assert first == again
    assert [(each.capacity, each.vcpus) for each in first] == [("on-demand", 6), ("spot", 64)]
    assert "--service-code fargate --quota-code L-3032A538" in first[0].more
    assert later[0].vcpus == 4000
    assert api.asked == 4


def test_what_nobody_tells_is_left_out_and_what_was_told_stays() -> None:
    api, now = ServiceQuotas(L_36FBB829=64), [0.0]
    quotas = AccountQuotas(lambda: api, lambda: now[0])

    assert [each.capacity for each in quotas.get()] == ["spot"]

    api.values.clear()
    now[0] = FRESH_SECONDS
    assert [each.capacity for each in quotas.get()] == ["spot"]
