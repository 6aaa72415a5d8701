"""Checks of the account: who looks, whose clock, which regions, what the quotas allow.

Quotas: AWS General Reference, "AWS Fargate endpoints and quotas" and "Lambda quotas" (2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sparkanywhere.aws.clients import Clients, code_of
from sparkanywhere.aws.finding import Finding, State
from sparkanywhere.aws.site import Site

SIGN_IN = "aws sso login, aws configure, or export AWS_PROFILE=PROFILE"
SKEW_WARNING_SECONDS = 60
SKEW_SECONDS = 300  # AWS refuses a signature that is five minutes off: IAM User Guide, "Signature Version 4"


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota of an account in a region: below `least` a check warns, and `wanted` is what to ask for."""

    service: str
    code: str
    name: str
    unit: str
    least: int
    wanted: int

    @property
    def check(self) -> str:
        """Return what its check is called."""
        return f"quota {self.code}"

    @property
    def request(self) -> str:
        """Return the command that asks AWS for more."""
        return (
            f"aws service-quotas request-service-quota-increase --service-code {self.service}"
            f" --quota-code {self.code} --desired-value {self.wanted}"
        )


# A driver of 1 vCPU and ten executors of 2, as the quickstart's own job has them, take 21.
VCPUS = Quota("fargate", "L-3032A538", "Fargate on-demand", "vCPU", 21, 256)
SPOT_VCPUS = Quota("fargate", "L-36FBB829", "Fargate Spot", "vCPU", 21, 256)
# A job holds two watches, and every request, event and resync takes one more while it lasts: ten jobs.
CONCURRENCY = Quota("lambda", "L-B99A9384", "Lambda concurrency", "functions at once", 50, 1000)
QUOTAS = (VCPUS, SPOT_VCPUS, CONCURRENCY)


def check_identity(site: Site | None, clients: Clients) -> Iterator[Finding]:
    """Yield who looks and whether it is the deployment's account, and how far this machine's clock is off."""
    from botocore.exceptions import ClientError, NoCredentialsError

    try:
        said = clients("sts").get_caller_identity()
    except NoCredentialsError:
        yield Finding("identity", "failure", "there are no AWS credentials here", SIGN_IN)
        return
    except ClientError as error:
        said = error.response
        text = f"AWS does not take these credentials: {code_of(error)}"
        yield Finding("identity", "failure", text, SIGN_IN)
    else:
        who = f"{said['Arn']} of account {said['Account']}"
        if site is None or said["Account"] == site.account:
            yield Finding("identity", "ok", who)
        else:
            text = f"{who}, but the deployment is in account {site.account}"
            yield Finding("identity", "failure", text, "export AWS_PROFILE=PROFILE of that account")
    date = (said.get("ResponseMetadata") or {}).get("HTTPHeaders", {}).get("date")
    if date:
        theirs = parsedate_to_datetime(date)  # without a zone where it ends with -0000
        yield clock(theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC), datetime.now(UTC))


def clock(theirs: datetime, ours: datetime) -> Finding:
    """Return how far this machine's clock is from AWS's, by two aware times."""
    seconds = (ours - theirs).total_seconds()
    text = f"this machine is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} AWS"
    if abs(seconds) < SKEW_WARNING_SECONDS:
        return Finding("clock", "ok", text)
    return Finding(
        "clock", "failure" if abs(seconds) >= SKEW_SECONDS else "warning", text, "sudo timedatectl set-ntp true"
    )


def check_region(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether the functions, the stage's setting, the cluster and the profile name the same region."""
    named = {
        "the setting SPARKANYWHERE_REGION": site.setting("REGION"),
        "the cluster": (site.setting("CLUSTER_ARN").split(":") + [""] * 4)[3],
    }
    wrong = [f"{what} says {region or 'nothing'}" for what, region in named.items() if region != site.region]
    if wrong:
        text = f"the functions are in {site.region}, but {' and '.join(wrong)}"
        yield Finding("region", "failure", text, site.deploy)
    elif clients.profile_region != site.region:
        text = f"all is in {site.region}, but your own default is {clients.profile_region or 'not set'}"
        yield Finding("region", "warning", text, f"export AWS_DEFAULT_REGION={site.region}")
    else:
        yield Finding("region", "ok", f"functions, setting, cluster and profile name {site.region}")


def quota_value(quota: Quota, clients: Clients) -> float:
    """Return a quota as it applies, or AWS's default where the account has never had another.

    Raises botocore's ClientError, BotoCoreError. Service Quotas API Reference, GetServiceQuota.
    """
    service = clients("service-quotas")
    key = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        return float(service.get_service_quota(**key)["Quota"]["Value"])
    except Exception as error:
        if code_of(error) != "NoSuchResourceException":
            raise
        return float(service.get_aws_default_service_quota(**key)["Quota"]["Value"])


def check_quota(quota: Quota) -> Callable[[Site, Clients], Iterator[Finding]]:
    """Return the check of how much of something the account may have at once."""

    def check(site: Site, clients: Clients) -> Iterator[Finding]:
        del site
        value = quota_value(quota, clients)
        text = f"{quota.name}: {value:g} {quota.unit}"
        if value >= quota.least:
            yield Finding(quota.check, "ok", text)
        else:
            state: State = "failure" if value < 1 else "warning"
            yield Finding(quota.check, state, f"{text}, which is little", quota.request)

    return check
