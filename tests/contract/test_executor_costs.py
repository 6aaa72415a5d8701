"""What an executor of Spark 4.3 takes of DynamoDB: its driver waits for each request, and a bill has each unit."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock

from benchmarks import aws_writes
from chalicelib.storage.dynamodb.item import SETTLED_SECONDS
from tests.api_client import PODS, ApiClient, Json
from tests.aws_box.lambda_api import LambdaApi
from tests.aws_box.lambda_function import LambdaFunction

UNITS = 39.0  # for an executor to be asked for, to run, and to be gone without a trace
FUNCTION = "sparkanywhere-prod"
TOKEN = f"{aws_writes.ACCOUNTS}/spark/token"


def token_of(here: aws_writes.World, pod: Json) -> str:
    """Return a token as a pod has it."""
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    return str(here.api.create(TOKEN, {"spec": {"boundObjectRef": bound}})["status"]["token"])


def test_the_life_of_an_executor_writes_so_many_units() -> None:
    life = aws_writes.measure(executors=2)

    units = [sum(part.writes.values()) / life.executors for part in (life.start, life.end, life.traces)]

    assert sum(units) == UNITS, units


def test_a_driver_waits_for_five_requests_until_its_executor_is_stored() -> None:
    functions = LambdaApi()
    functions.functions[f"{FUNCTION}-launch"] = Mock(spec=LambdaFunction)
    functions.lose = lambda _name: True
    with aws_writes.world(AWS_LAMBDA_FUNCTION_NAME=FUNCTION, AWS_ENDPOINT_URL_LAMBDA=functions.url) as here:
        driver = here.start_driver()
        api = ApiClient(here.plane, token_of(here, driver))
        here.skipped += timedelta(seconds=2 * SETTLED_SECONDS)  # the namespace is nothing new
        asked: list[list[str]] = []
        for number in range(5):
            before = len(here.fake.requests)
            api.create(PODS, aws_writes.executor(driver, number))
            asked.append(here.fake.requests[before:])
    functions.close()

    # Who may do what, and whether the launch function is at work, is asked anew every few seconds only.
    assert min(asked, key=len) == ["BatchGetItem", "Query", "Query", "TransactWriteItems", "GetItem"]
    assert len(functions.events) >= 1
