"""The one call of Service Quotas that the control plane makes. Service Quotas API Reference (2019-06-24)."""

from __future__ import annotations

import json
from collections import Counter

from tests.aws_box.wire import Answer, HttpServer, Request

TARGET = "ServiceQuotasV20190624.GetServiceQuota"


class FakeQuotas:
    """The account's quotas by code, which a test may change; those of Fargate are a new account's."""

    def __init__(self) -> None:
        self.values = {"L-3032A538": 6.0, "L-36FBB829": 6.0}
        self.calls: Counter[str] = Counter()
        self._server = HttpServer(self._serve)
        self.url = self._server.url

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def _serve(self, request: Request) -> Answer:
        target = request.header("x-amz-target")
        self.calls[target.rpartition(".")[2]] += 1
        asked = json.loads(request.body)
        value = self.values.get(asked.get("QuotaCode", "")) if target == TARGET else None
        if value is None:
            return Answer(400, json.dumps({"__type": "NoSuchResourceException", "message": "no such quota"}).encode())
        return Answer(200, json.dumps({"Quota": {**asked, "Value": value}}).encode())
