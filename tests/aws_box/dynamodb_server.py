"""Our DynamoDB in memory, served over HTTP: Lambda's processes are others than the tests'."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from tests.aws_box.wire import Answer, HttpServer, Request
from tests.contract.fake_dynamodb import FakeDynamoDB


class DynamoDBServer:
    """A FakeDynamoDB behind an endpoint; its table is made at the start."""

    def __init__(self) -> None:
        self.fake = FakeDynamoDB()
        self._server = HttpServer(self._serve)
        self.url = self._server.url
        self._call("CreateTable", b'{"TableName": "box"}')

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def stored(self, resource: str) -> str:
        """Return the text of the one short object of a resource, as whoever may decrypt the table reads it."""
        asked = {
            "TableName": "box",
            "ConsistentRead": True,
            "KeyConditionExpression": "#pk = :pk",
            "ExpressionAttributeNames": {"#pk": "pk"},
            "ExpressionAttributeValues": {":pk": {"S": f"object#{resource}"}},
        }
        (item,) = json.loads(self._call("Query", json.dumps(asked).encode()).body)["Items"]
        return str(item["text"]["S"])

    def _serve(self, request: Request) -> Answer:
        return self._call(request.header("x-amz-target").rpartition(".")[2], request.body)

    def _call(self, operation: str, body: bytes) -> Answer:
        asked: Any = SimpleNamespace(  # of an AWSPreparedRequest, what the fake reads
            headers={"X-Amz-Target": f"DynamoDB_20120810.{operation}"}, body=body, url=""
        )
        answer = self.fake.answer(asked)
        return Answer(answer.status_code, answer.content, [("Content-Type", "application/x-amz-json-1.0")])
