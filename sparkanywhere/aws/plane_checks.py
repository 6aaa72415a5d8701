"""Checks of the control plane's parts: its functions' logs, rules, schedule and alarms, its table and its token.

Amazon CloudWatch User Guide, "Lambda metrics": Invocations, Errors and Duration, one sum a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sparkanywhere.aws.clients import Clients, code_of
from sparkanywhere.aws.finding import Finding
from sparkanywhere.aws.site import Site

EVENTS, SCHEDULE = "task_events", "resync"  # the functions that rules of EventBridge call
CALLED = ("launch", "stream")  # those that the API calls, and that its gateway calls beside it
MENDS_OF_KEYS = {
    "PendingDeletion": "aws kms cancel-key-deletion --key-id KEY && aws kms enable-key --key-id KEY",
    "Disabled": "aws kms enable-key --key-id KEY",
}
LATE = timedelta(minutes=5)  # the schedule runs each minute, and CloudWatch tells up to three minutes later
LOOK_BACK = timedelta(minutes=15)


def check_table(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether the table is there, in use, and in the functions' region."""
    name = site.setting("TABLE")
    try:
        table = clients("dynamodb").describe_table(TableName=name)["Table"]
    except Exception as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        yield Finding("table", "failure", f"there is no table {name} in {site.region}", site.deploy)
        return
    if table["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield Finding("table", "failure", f"{name} is {table['TableStatus']}", site.deploy)
    else:
        yield Finding("table", "ok", f"{name} is {table['TableStatus']}")


def check_functions(site: Site) -> Finding:
    """Return whether the functions are there; those that rules call have lines of their own."""
    wanted = (site.function, *(f"{site.function}-{each}" for each in CALLED))
    if missing := [each for each in wanted if each not in site.functions]:
        return Finding("deployment", "failure", f"there is no function {' and no '.join(missing)}", site.deploy)
    return Finding("deployment", "ok", f"{site.function} in {site.region}, account {site.account}")


def check_key(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether the KMS key of table and token can be used, if they have one of their own."""
    try:
        table = clients("dynamodb").describe_table(TableName=site.setting("TABLE"))["Table"]
    except Exception as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return  # of which the check of the table tells
    arn = (table.get("SSEDescription") or {}).get("KMSMasterKeyArn", "")
    if not arn:
        yield Finding("key", "ok", "the table has no key of its own")
        return
    try:
        state = clients("kms").describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
    except Exception as error:
        if code_of(error) != "NotFoundException":
            raise
        state = "gone, and with it all that it has encrypted"
    if state == "Enabled":
        yield Finding("key", "ok", f"{arn} is {state}")
    else:
        mend = MENDS_OF_KEYS.get(state, site.deploy).replace("KEY", arn)
        yield Finding("key", "failure", f"{arn} is {state}: table and token cannot be read", mend)


def check_bucket(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether the bucket of staged files and event logs is there."""
    name = site.setting("BUCKET")
    try:
        clients("s3").head_bucket(Bucket=name)
    except Exception as error:
        if code_of(error) not in ("404", "NoSuchBucket"):
            raise
        yield Finding("bucket", "failure", f"there is no bucket {name}", site.deploy)
    else:
        yield Finding("bucket", "ok", f"{name} is there")


def check_dead_letters(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether the queue is there that keeps events and invocations which failed to the end."""
    name = f"{site.setting('DEPLOYMENT')}-dead-letters"
    try:
        clients("sqs").get_queue_url(QueueName=name)
    except Exception as error:
        if not code_of(error).endswith(("NonExistentQueue", "QueueDoesNotExist")):
            raise
        yield Finding("dead letters", "failure", f"there is no queue {name}", site.deploy)
    else:
        yield Finding("dead letters", "ok", f"{name} is there")


def check_token_source(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether the administrator's token can be read where the functions read it. It is not shown or kept."""
    from chalicelib.secret_value import ARN

    arn = site.setting("TOKEN_FROM")
    found = ARN.fullmatch(arn)
    if not found:
        how = "IAM identities alone are let in" if site.setting("IAM_USERS") else "only service accounts get in"
        yield Finding("token source", "ok", f"there is no administrator's token: {how}")
        return
    try:
        if found["service"] == "ssm":
            text = clients("ssm").get_parameter(Name=arn, WithDecryption=True)["Parameter"]["Value"]
        else:
            text = clients("secretsmanager").get_secret_value(SecretId=arn).get("SecretString")
    except Exception as error:
        if code_of(error) not in ("ParameterNotFound", "ResourceNotFoundException"):
            raise
        yield Finding("token source", "failure", f"{arn} does not exist", site.deploy)
        return
    if text and text.strip():
        yield Finding("token source", "ok", f"{arn} can be read")
    else:
        yield Finding("token source", "failure", f"{arn} is empty", site.deploy)


def check_logs(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether every log group is there and forgets; without the tasks' own, no task starts."""
    tasks = site.setting("LOG_GROUP")
    missing, endless = [], []
    for name in (tasks, *(f"/aws/lambda/{each}" for each in site.functions)):
        groups = clients("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        group = next((each for each in groups if each["logGroupName"] == name), None)
        if group is None:
            missing.append(name)
        elif not group.get("retentionInDays"):
            endless.append(name)
    if tasks in missing:
        yield Finding("logs", "failure", f"there is no log group {tasks}, so no task can start", site.deploy)
    elif endless:
        put = f"aws logs put-retention-policy --retention-in-days 14 --log-group-name {endless[0]}"
        yield Finding("logs", "warning", f"kept for ever, and paid for: {', '.join(endless)}", put)
    elif missing:
        yield Finding("logs", "warning", f"not there yet: {', '.join(missing)}", site.deploy)
    else:
        yield Finding("logs", "ok", f"{len(site.functions) + 1} groups, all with a retention")


def check_rules(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield whether the rules of task events and of the schedule are enabled and call the functions."""
    events = clients("events")
    for own in (EVENTS, SCHEDULE):
        what, function = f"rule {own}", f"{site.function}-{own}"
        if function not in site.functions:
            yield Finding(what, "failure", f"there is no function {function}", site.deploy)
            continue
        arn = site.arn.rpartition(":")[0] + f":{function}"
        names = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
        rules = [events.describe_rule(Name=name) for name in names]
        off = next((each for each in rules if each["State"] == "DISABLED"), None)
        if not rules:
            yield Finding(what, "failure", f"no rule calls {function}", site.deploy)
        elif off:
            yield Finding(what, "failure", f"{off['Name']} is disabled", f"aws events enable-rule --name {off['Name']}")
        elif own == EVENTS and not any(site.setting("CLUSTER_ARN") in each.get("EventPattern", "") for each in rules):
            text = f"{names[0]} does not name the cluster {site.setting('CLUSTER_ARN')}"
            yield Finding(what, "failure", text, site.deploy)
        else:
            yield Finding(what, "ok", f"{', '.join(names)} calls {function}")


def check_schedule(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield when the schedule last succeeded, and how much of its time it took."""
    function = f"{site.function}-{SCHEDULE}"
    ran, failed, took = last_runs(function, clients, now=datetime.now(UTC), back=LOOK_BACK)
    good = [at for at, count in ran.items() if count > failed.get(at, 0)]
    tail = f"aws logs tail /aws/lambda/{function} --since 15m"
    if not good:
        text = "it has not succeeded within the last 15 minutes"
        yield Finding("schedule", "failure", f"{text}; it failed {sum(failed.values()):g} times", tail)
        return
    age = datetime.now(UTC) - max(good)
    longest = max(took.values(), default=0) / 1000
    text = f"succeeded {age.total_seconds() / 60:.0f} minutes ago; the longest run took {longest:.0f} s"
    if age > LATE + timedelta(minutes=1):  # a sum is dated by the beginning of its minute
        yield Finding("schedule", "failure", text, tail)
    elif any(failed.values()):
        yield Finding("schedule", "warning", f"{text}; it failed {sum(failed.values()):g} times", tail)
    else:
        yield Finding("schedule", "ok", text)


def last_runs(
    function: str, clients: Clients, *, now: datetime, back: timedelta
) -> tuple[dict[datetime, float], dict[datetime, float], dict[datetime, float]]:
    """Return a function's invocations, errors, and longest run in milliseconds, by minute."""
    metrics = {"Invocations": "Sum", "Errors": "Sum", "Duration": "Maximum"}
    dimensions = [{"Name": "FunctionName", "Value": function}]
    queries: list[dict[str, Any]] = [
        {
            "Id": name.lower(),
            "MetricStat": {
                "Metric": {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions},
                "Period": 60,
                "Stat": statistic,
            },
        }
        for name, statistic in metrics.items()
    ]
    answer = clients("cloudwatch").get_metric_data(MetricDataQueries=queries, StartTime=now - back, EndTime=now)
    found = {
        each["Id"]: dict(zip(each["Timestamps"], each["Values"], strict=True)) for each in answer["MetricDataResults"]
    }
    invocations, errors, duration = (found.get(name.lower(), {}) for name in metrics)
    return invocations, errors, duration


def check_alarms(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield which of the deployment's alarms ring."""
    prefix = f"{site.function}-"
    found = clients("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    # Those of a deployment whose name begins like this one's have more than two words after the prefix.
    alarms = [each for each in found if each["AlarmName"].removeprefix(prefix).count("-") == 1]
    ringing = [each["AlarmName"] for each in alarms if each["StateValue"] == "ALARM"]
    if ringing:
        show = f"aws cloudwatch describe-alarms --alarm-names {' '.join(ringing)}"
        yield Finding("alarms", "failure", f"ringing: {', '.join(ringing)}", show)
    elif not alarms:
        yield Finding(
            "alarms", "warning", f"there is no alarm called {prefix}*: nobody hears when it fails", site.deploy
        )
    else:
        yield Finding("alarms", "ok", f"{len(alarms)}, none rings")
