"""Site: a deployment as it stands in its account, found by the URL that a context has.

The URL of an API names its region; the API names the function behind it; and that function's environment is what
the control plane itself goes by. So neither Terraform's state nor a checkout is needed, and what is found is what
runs. API Gateway REST API Reference, GetResources and GetBasePathMappings; Lambda API Reference,
GetFunctionConfiguration and ListFunctions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from chalicelib.config import PREFIX
from sparkanywhere.aws.clients import Clients, code_of
from sparkanywhere.client.failure import Failure

HOST = re.compile(
    r"(?P<id>[a-z0-9]+)(?:-vpce-[a-z0-9]+)?\.execute-api\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
)
FUNCTION = re.compile(r":function:(?P<name>[A-Za-z0-9_-]+)(?::[^/]+)?/invocations")
ANOTHER_REGION = (
    "If it is in another region, export AWS_DEFAULT_REGION=REGION; else `sparkanywhere deploy aws` makes it."
)
RESOURCES = 500  # the most that one answer has; ours has fewer


class NoSite(Failure):
    """No deployment on AWS was found; str() says what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """A deployment: `settings` are its API function's variables SPARKANYWHERE_*, without the prefix."""

    function: str  # the API's; the others are called so, with a dash and their own name behind it
    arn: str
    role_arn: str
    functions: tuple[str, ...]  # those that are there
    settings: Mapping[str, str]

    @property
    def partition(self) -> str:
        """Return aws, aws-cn or aws-us-gov."""
        return self.arn.split(":")[1]

    @property
    def region(self) -> str:
        """Return the region of the functions."""
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        """Return the account's number."""
        return self.arn.split(":")[4]

    @property
    def stage(self) -> str:
        """Return the Chalice stage."""
        return self.setting("DEPLOYMENT").rpartition("-")[2]  # a deployment is called NAME-STAGE

    @property
    def deploy(self) -> str:
        """Return the command that makes what is missing and puts the functions up again."""
        name = self.setting("DEPLOYMENT").rpartition("-")[0]
        return f"sparkanywhere deploy aws --name {name} --stage {self.stage} --region {self.region}"

    @property
    def subnets(self) -> tuple[str, ...]:
        """Return the ids of the tasks' subnets."""
        pairs = [each.strip() for each in self.settings.get("SUBNETS", "").split(",")]
        return tuple(each.rpartition("=")[2] for each in pairs if each)

    def setting(self, name: str) -> str:
        """Return a setting of the deployment, "" where it has none."""
        return self.settings.get(name, "")


def region_of(url: str) -> str:
    """Return the region that an API's own URL names, "" for any other URL."""
    found = HOST.fullmatch(urlsplit(url).hostname or "")
    return found["region"] if found else ""


def find_site(clients: Clients, url: str, *, function: str = "") -> Site:
    """Return the deployment behind a URL, or behind the API's function of that name.

    Raises NoSite; botocore's ClientError, BotoCoreError for what AWS refuses otherwise.
    """
    name = function or _function_behind(clients, url)
    functions = clients("lambda")
    listed = [each for page in functions.get_paginator("list_functions").paginate() for each in page["Functions"]]
    named = {each["FunctionName"]: each for each in listed if f"{each['FunctionName']}-".startswith(f"{name}-")}
    try:
        found = functions.get_function_configuration(FunctionName=name)
    except Exception as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        found = {}
        for other in sorted(named):  # a deployment's functions all have its settings
            each = functions.get_function_configuration(FunctionName=other)
            if _settings(each).get("DEPLOYMENT") == name:
                found = {**each, "FunctionArn": f"{each['FunctionArn'].rpartition(':')[0]}:{name}"}
                break
        if not found:
            raise NoSite(f"There is no function {name} in {clients.region}. {ANOTHER_REGION}") from error
    settings = _settings(found)
    if not settings.get("DEPLOYMENT"):
        raise NoSite(f"The function {name} in {clients.region} is none of a deployment of Sparkanywhere.")
    own = tuple(sorted(each for each, about in named.items() if about["Role"] == found["Role"]))
    return Site(name, found["FunctionArn"], found["Role"], own, settings)


def _settings(function: Any) -> dict[str, str]:  # Any: Lambda's, which boto3 makes at run time
    variables = (function.get("Environment") or {}).get("Variables") or {}
    return {key.removeprefix(PREFIX): text for key, text in variables.items() if key.startswith(PREFIX)}


def _function_behind(clients: Clients, url: str) -> str:
    host = urlsplit(url).hostname or ""
    match = HOST.fullmatch(host)
    gateway = clients("apigateway")
    try:
        if match:
            api = match["id"]
        else:
            mappings = gateway.get_base_path_mappings(domainName=host).get("items") or [{}]
            api = str(mappings[0].get("restApiId", ""))
        resources = gateway.get_resources(restApiId=api, limit=RESOURCES, embed=["methods"])["items"] if api else []
    except Exception as error:
        if code_of(error) == "NotFoundException":
            resources = []
        else:
            raise
    uris = (_uri(method) for each in resources for method in (each.get("resourceMethods") or {}).values())
    found = next((each for each in map(FUNCTION.search, uris) if each), None)
    if found is None:
        raise NoSite(
            f"No API Gateway of this account in {clients.region} answers at {url}:"
            " name the API's function by --function, or use credentials of the deployment's account."
        )
    return found["name"]


def _uri(method: Any) -> str:  # Any: JSON
    return str((method.get("methodIntegration") or {}).get("uri") or "")
