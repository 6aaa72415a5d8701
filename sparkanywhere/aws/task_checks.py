"""Checks of what tasks need: cluster, subnets, security group and image.

OCI distribution specification v1.1, "Pulling manifests"; Docker Registry, "Token authentication".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from sparkanywhere.aws.clients import Clients, code_of
from sparkanywhere.aws.finding import Finding
from sparkanywhere.aws.site import Site

FEW_ADDRESSES = 16  # each task takes one
ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<name>[^@:]+)(?P<rest>.*)"
)
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json,application/vnd.docker.distribution.manifest.list.v2+json,"
    "application/vnd.oci.image.manifest.v1+json,application/vnd.docker.distribution.manifest.v2+json"
)
REGISTRY_SECONDS = 6
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def check_cluster(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether the cluster is there."""
    arn = site.setting("CLUSTER_ARN")
    found = clients("ecs").describe_clusters(clusters=[arn])["clusters"]
    state = found[0]["status"] if found else "MISSING"
    if state != "ACTIVE":
        yield Finding("cluster", "failure", f"{arn} is {state}", site.deploy)
    else:
        yield Finding("cluster", "ok", f"{found[0]['clusterName']}: {found[0].get('runningTasksCount', 0)} tasks run")


def check_network(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether subnets and security groups are there, and how many addresses are free."""
    ec2 = clients("ec2")
    try:
        subnets = ec2.describe_subnets(SubnetIds=list(site.subnets))["Subnets"]
        own = [pair.partition("=")[2] for pair in site.setting("SECURITY_GROUPS").split(",") if pair]
        ec2.describe_security_groups(GroupIds=[site.setting("SECURITY_GROUP"), *own])
    except Exception as error:
        if not code_of(error).endswith(".NotFound"):
            raise
        yield Finding("network", "failure", str(error).rpartition(": ")[2], site.deploy)
        return
    free = {each["SubnetId"]: each["AvailableIpAddressCount"] for each in subnets}
    text = ", ".join(f"{subnet} {count}" for subnet, count in sorted(free.items()))
    if not any(free.values()):
        yield Finding("network", "failure", f"no address is free: {text}", f"{site.deploy} --var availability_zones=4")
    elif any(count < FEW_ADDRESSES for count in free.values()):
        yield Finding(
            "network", "warning", f"few addresses are free: {text}", f"{site.deploy} --var availability_zones=4"
        )
    else:
        yield Finding("network", "ok", f"free addresses: {text}")


def check_image(image: str) -> Callable[[Site, Clients], Iterator[Finding]]:
    """Return the check of whether an image can be pulled, and for which architectures it is made."""

    def check(site: Site, clients: Clients) -> Iterator[Finding]:
        del site
        what, ecr = f"image {image}", ECR.fullmatch(image)
        if ecr is None:
            yield public_image(what, image)
            return
        rest = ecr["rest"]
        key = {"imageDigest": rest[1:]} if rest.startswith("@") else {"imageTag": rest[1:] or "latest"}
        request = {"registryId": ecr["account"], "repositoryName": ecr["name"], "imageIds": [key]}
        try:
            found = clients("ecr").batch_get_image(**request, acceptedMediaTypes=MANIFESTS.split(","))["images"]
        except Exception as error:
            if code_of(error) != "RepositoryNotFoundException":
                raise
            found = []
        if found:
            yield Finding(what, "ok", f"ECR has it{architectures(found[0].get('imageManifest', '{}'))}")
        elif upstream := _upstream(ecr["account"], ecr["name"], clients):
            yield public_image(what, upstream + rest)
        else:
            yield Finding(what, "failure", "ECR has no such image", f"docker push {image}")

    return check


def _upstream(account: str, name: str, clients: Clients) -> str:
    """Return what a pull-through cache rule has ECR pull for the name of a repository, "" where there is none."""
    prefix, _, image = name.partition("/")
    if not image:
        return ""
    try:
        request = {"registryId": account, "ecrRepositoryPrefixes": [prefix]}
        [rule] = clients("ecr").describe_pull_through_cache_rules(**request)["pullThroughCacheRules"]
    except Exception as error:
        if code_of(error) != "PullThroughCacheRuleNotFoundException":
            raise
        return ""
    return f"{rule['upstreamRegistryUrl']}/{image}"


def public_image(what: str, image: str) -> Finding:
    """Return whether a registry gives an image's manifest to anybody. Its layers are not fetched."""
    registry, name, reference = split_image(image)
    url = f"{registry}/v2/{name}/manifests/{reference}"
    try:
        return Finding(what, "ok", f"anybody may pull it{architectures(_manifest(url))}")
    except HTTPError as error:
        if error.code == 429 or error.code >= 500:
            return Finding(what, "unknown", f"{registry} answers {error.code} for now")
        return Finding(
            what,
            "failure",
            f"{registry} answers {error.code}: there is no such image, or it is private",
            f"docker manifest inspect {image}",
        )
    except (URLError, OSError, ValueError) as error:
        return Finding(what, "unknown", f"{registry} cannot be asked from here: {getattr(error, 'reason', error)}")


def split_image(image: str) -> tuple[str, str, str]:
    """Return the registry's URL, the repository, and tag or digest of an image's name, as Docker reads it."""
    first, slash, rest = image.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "registry-1.docker.io", image if slash else f"library/{image}"
    name, at, digest = rest.partition("@")
    repository, _, tag = name.partition(":")
    scheme = "http" if first.split(":")[0] in ("localhost", "127.0.0.1") else "https"  # as Docker does
    return f"{scheme}://{first}", repository, digest if at else tag or "latest"


def architectures(manifest: str) -> str:
    """Return behind a comma for which architectures an index has images, "" for the manifest of a single one."""
    platforms = (each.get("platform") or {} for each in json.loads(manifest).get("manifests") or ())
    found = sorted({str(each.get("architecture")) for each in platforms if each.get("os") == "linux"})
    return f", for {', '.join(found)}" if found else ""


def _manifest(url: str) -> str:
    headers = {"Accept": MANIFESTS}
    try:
        return _read(url, headers)
    except HTTPError as error:
        asked = error.headers.get("WWW-Authenticate", "")
        if error.code != 401 or not asked.startswith("Bearer "):
            raise
    challenge = dict(CHALLENGE.findall(asked))
    query = urlencode({key: text for key, text in challenge.items() if key in ("service", "scope")})
    answer = json.loads(_read(f"{challenge['realm']}?{query}", {}))
    return _read(url, {**headers, "Authorization": f"Bearer {answer.get('token') or answer.get('access_token')}"})


def _read(url: str, headers: dict[str, str]) -> str:
    with urlopen(Request(url, headers=headers), timeout=REGISTRY_SECONDS) as answer:
        text: str = answer.read().decode()
    return text
