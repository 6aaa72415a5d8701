"""All checks of a deployment, run side by side. Read-only, and over within 30 seconds whatever AWS does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sparkanywhere.aws import account_checks, plane_checks, role_check, task_checks
from sparkanywhere.aws.api_checks import check_ready, check_token
from sparkanywhere.aws.clients import AwsUnusable, Clients, code_of, is_denied, is_passing
from sparkanywhere.aws.finding import Finding
from sparkanywhere.aws.plane_checks import check_functions
from sparkanywhere.aws.site import NoSite, Site, find_site
from sparkanywhere.client.kube_client import Access, KubeClient
from sparkanywhere.client.printable import brief

LOG = logging.getLogger(__name__)

SITE_SECONDS, CHECK_SECONDS = 10.0, 18.0  # together under the 30 that a person waits
Check = Callable[[Site, Clients], Iterable[Finding]]
Look = Callable[[], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "region": account_checks.check_region,
    "table": plane_checks.check_table,
    "key": plane_checks.check_key,
    "bucket": plane_checks.check_bucket,
    "cluster": task_checks.check_cluster,
    "network": task_checks.check_network,
    "token source": plane_checks.check_token_source,
    "role": role_check.check_role,
    "logs": plane_checks.check_logs,
    "rules": plane_checks.check_rules,
    "dead letters": plane_checks.check_dead_letters,
    "schedule": plane_checks.check_schedule,
    "alarms": plane_checks.check_alarms,
    **{each.check: account_checks.check_quota(each) for each in account_checks.QUOTAS},
}


@dataclass(slots=True)
class _Running:
    name: str
    thread: threading.Thread
    found: list[Finding]


def examine(
    clients: Clients,
    access: Access,
    *,
    images: Sequence[str],
    function: str,
    why_no_token: str = "",
    client: Callable[[Access], KubeClient] = KubeClient,
) -> Iterator[Finding]:
    """Yield what each check has found, in a fixed order. May be repeated; nothing is changed.

    `function` is the name of the API's function where its URL does not lead to it, "" otherwise. `why_no_token` says
    why `access` has no token, which is then a finding; "" if it has one.
    """
    anybody = Access(access.url, ca_pem=access.ca_pem, is_insecure=access.is_insecure)
    from_api = _start(
        {"API": lambda: check_ready(client(anybody)), "token": lambda: check_token(client(access), why_no_token)}
    )
    looking: list[Site] = []

    def look() -> Iterator[Finding]:
        looking.append(find_site(clients, access.url, function=function))
        site = looking[0]
        yield check_functions(site)

    found = list(_results(_start({"deployment": look}), SITE_SECONDS))
    site = looking[0] if looking else None
    checks: dict[str, Look] = {"identity": lambda: account_checks.check_identity(site, clients)}
    if site is not None:
        every = {**CHECKS, **{f"image {each}": task_checks.check_image(each) for each in images}}
        checks |= {name: _bound(check, site, clients) for name, check in every.items()}
    running = [*from_api, *_start(checks)]
    yield from found
    yield from _results(running, CHECK_SECONDS)


def _bound(check: Check, site: Site, clients: Clients) -> Look:
    return lambda: check(site, clients)


def _start(checks: dict[str, Look]) -> list[_Running]:
    started = []
    for name, look in checks.items():
        found: list[Finding] = []
        thread = threading.Thread(target=_run, args=(name, look, found), daemon=True)  # one that hangs ends with us
        thread.start()
        started.append(_Running(name, thread, found))
    return started


def _results(running: Iterable[_Running], seconds: float) -> Iterator[Finding]:
    deadline = time.monotonic() + seconds
    for each in running:
        each.thread.join(max(0.0, deadline - time.monotonic()))
        if each.thread.is_alive():
            yield Finding(each.name, "unknown", f"AWS did not answer within {seconds:.0f} s")
        else:
            yield from each.found


def _run(name: str, look: Look, found: list[Finding]) -> None:
    from botocore.exceptions import ClientError  # an extra, as is what is below

    from sparkanywhere.deployment.aws_errors import AWS_ERRORS, sentence

    try:
        found.extend(look())
    except NoSite as error:
        found.append(Finding(name, "failure", str(error)))
    except AwsUnusable as error:
        found.append(Finding(name, "unknown", str(error)))
    except ClientError as error:
        if is_denied(error):
            found.append(Finding(name, "unknown", f"you may not look: AWS refuses {error.operation_name}"))
        elif is_passing(error):
            found.append(Finding(name, "unknown", f"AWS does not answer {error.operation_name} now: {code_of(error)}"))
        else:
            found.append(Finding(name, "failure", brief(error)))
    except AWS_ERRORS as error:  # no credentials, no answer, or not AWS's
        LOG.debug("check %s", name, exc_info=True)
        found.append(Finding(name, "unknown", f"AWS cannot be asked: {sentence(error).rstrip('.')}"))
    except Exception as error:  # a thread's error reaches nobody, and the other checks are worth having
        LOG.debug("check %s", name, exc_info=True)
        found.append(Finding(name, "unknown", f"the check itself broke: {type(error).__name__}: {brief(error)}"))
