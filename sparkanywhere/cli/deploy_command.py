"""`sparkanywhere deploy aws`: Terraform and Chalice, with one question in between, and all of it back by --destroy."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from botocore.session import Session

from sparkanywhere.cli.login_command import context_of, deployment_options, write_context
from sparkanywhere.cli.stage_config import configured
from sparkanywhere.cli.target_options import errors_as_sentences
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kubeconfig_file import remove_context
from sparkanywhere.deployment.aws_errors import AWS_ERRORS, sentence
from sparkanywhere.deployment.login import LoginFailed, default_region, find_endpoint
from sparkanywhere.deployment.plan import Plan, read_plan
from sparkanywhere.deployment.project_folder import OFFERED, ProjectFolder, default_folder
from sparkanywhere.deployment.terraform import Terraform, ended
from sparkanywhere.deployment.variables import read_variable

PLAN, VARIABLES = "plan.tfplan", f"-var-file={OFFERED}"
ELSEWHERE = "--name, --stage, --folder and --state-bucket say where it is."
PROTECTION = "deletion_protection"  # Terraform's, of table and bucket; here the question protects them


class DeploymentRefused(Failure):
    """What was asked for would not do; str() is a sentence."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment: where its folder is, and what it is called."""

    folder: ProjectFolder
    terraform: Terraform
    name: str
    stage: str
    region: str

    @property
    def full_name(self) -> str:
        """Return what all that is made bears."""
        return f"{self.name}-{self.stage}"

    def plan(self, *words: str) -> Plan:
        """Return what Terraform would do. Raises TerraformFailed."""
        self.terraform.read("plan", "-json", "-input=false", f"-out={PLAN}", VARIABLES, *words)
        return read_plan(json.loads(self.terraform.read("show", "-json", PLAN)))

    def configure(self, outputs: dict[str, Any]) -> None:
        """Let Chalice's stage be what Terraform has made. Raises OutputMissing."""
        config = configured(json.loads(self.folder.config.read_text()), self.stage, outputs)
        self.folder.config.write_text(json.dumps(config, indent=2))

    def chalice(self, verb: str) -> None:
        """Run a verb of Chalice's on the stage. Raises DeploymentRefused."""
        command = [sys.executable, "-P", "-m", "sparkanywhere.local.chalice_command", verb, "--stage", self.stage]
        if code := ended(command, self.folder.path, until="Resources deployed:"):
            raise DeploymentRefused(f"chalice {verb} ended with {code}; the same command again goes on from there.")


@click.group()
def deploy() -> None:
    """Put a control plane up on a cloud."""


@deploy.command(
    epilog="Examples: sparkanywhere deploy aws --dry-run; sparkanywhere deploy aws --region eu-west-1 --var network=nat"
)
@deployment_options
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="KEY=VALUE",
    help="A variable of Terraform's, kept for the next time; KEY= goes back to its default.",
)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where Terraform's state is. Default: below ~/.local/share."
)
@click.option("--state-bucket", default="", help="S3 bucket that keeps Terraform's state, for several people.")
@click.option("--dry-run", is_flag=True, help="Only show what would be made and what it costs.")
@click.option("--destroy", is_flag=True, help="Take it all down.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def aws(
    *,
    name: str,
    stage: str,
    region: str,
    variables: tuple[str, ...],
    folder: Path | None,
    state_bucket: str,
    dry_run: bool,
    destroy: bool,
    yes: bool,
) -> None:
    """Make the control plane's network, cluster, table and roles by Terraform and its API by Chalice.

    Shows what it will make and what that costs, asks once, and may be run again: for a new version, for other
    variables, after an interruption.
    """
    with errors_as_sentences():
        where = ProjectFolder(folder.absolute() if folder else default_folder(os.environ, f"{name}-{stage}"))
        if destroy and not where.path.exists() and not state_bucket:
            raise DeploymentRefused(f"There is no {name}-{stage}: {where.path} does not exist. {ELSEWHERE}")
        made = open_deployment(where, {"name": name, "stage": stage}, region, variables, state_bucket)
        (take_down if destroy else put_up)(made, dry_run=dry_run, yes=yes)


def open_deployment(
    folder: ProjectFolder, names: dict[str, str], region: str, variables: tuple[str, ...], state_bucket: str
) -> Deployment:
    """Return a deployment whose folder is ready for a plan, and say where it is. Raises Failure."""
    terraform = Terraform(folder.terraform)
    before = folder.variables
    changed = dict(map(read_variable, variables))
    try:
        session = Session()
        where = default_region(session, region or before.get("region", ""))
        sts: Any = session.create_client("sts", region_name=where)  # botocore makes its methods at run time
        caller = sts.get_caller_identity()
        who = f"account {caller['Account']}, as {caller['Arn']}"
    except AWS_ERRORS as error:
        raise DeploymentRefused(sentence(error)) from error
    for key, value in {**names, "region": where}.items():
        if before.get(key, value) != value:
            raise DeploymentRefused(f"{folder.path} has {key} {before[key]}, not {value}: --folder names another.")
    set_now = {key: value for key, value in {**before, **changed}.items() if value != ""}
    backend = {"bucket": state_bucket, "key": f"{names['name']}-{names['stage']}.tfstate", "region": where}
    folder.refresh({**backend, "use_lockfile": True} if state_bucket else None)
    folder.offer({**set_now, **names, "region": where})
    made = Deployment(folder, terraform, names["name"], names["stage"], where)
    echo(f"{made.full_name} in {where}, {who}")
    terraform.check_version()
    terraform.read("init", "-input=false")
    return made


def put_up(made: Deployment, *, dry_run: bool, yes: bool) -> None:
    """Show, ask, and make. Raises Failure."""
    plan = made.plan()
    echo("Terraform has nothing to change." if plan.is_empty else f"Terraform {_changes(plan)}")
    echo(f"Chalice puts up the REST API {made.full_name} and its functions.")
    usd = sum(plan.monthly_usd.values())
    parts = "".join(f", {kind.removeprefix('aws_')} ${each:.2f}" for kind, each in sorted(plan.monthly_usd.items()))
    echo(f"While no job runs: ${usd:.2f} a month{parts}, and cents for a function that runs once a minute.")
    if not (has_token := made.folder.offered.get("admin_token") not in ("false", "0")):
        echo(
            "It has no administrator's token then, and takes the tokens of service accounts alone; a deployment from a"
        )
        echo("clone can let IAM identities in as well (SPARKANYWHERE_IAM_USERS; docs/aws.md, Tokens).")
    if dry_run:
        return
    _ask(yes, "Make it?")
    made.folder.keep()
    made.terraform.run("apply", "-input=false", PLAN)
    made.configure(made.terraform.outputs())
    made.chalice("deploy")
    if has_token:
        write_context(made.full_name, made.region, context_of(made.name, made.stage))
    else:
        echo(
            f"{find_endpoint(made.full_name, made.region).url} is up, for clients with the token of a service account."
        )


def take_down(made: Deployment, *, dry_run: bool, yes: bool) -> None:
    """Show, ask, and remove; say what is left. Raises Failure."""
    outputs = made.terraform.outputs()
    if made.folder.offered.get(PROTECTION, "false") != "false":
        raise DeploymentRefused(
            f"{PROTECTION} was set: --var {PROTECTION}=false beside --destroy lets table and bucket go."
        )
    unprotected = f"-var={PROTECTION}=false"
    plan = made.plan("-destroy", unprotected)
    if plan.is_empty and not outputs:
        raise DeploymentRefused(f"There is no {made.full_name}: {made.folder.path} has no state of it. {ELSEWHERE}")
    echo("Terraform has nothing here." if plan.is_empty else f"Terraform {_changes(plan)}")
    echo("With them go all objects of the table, and staged files and event logs in the bucket.")
    if dry_run:
        return
    _ask(yes, "Remove it?")
    if outputs:
        _refuse_where_tasks_run(made, outputs["ecs_cluster_name"]["value"])
        made.configure(outputs)
        try:
            server = find_endpoint(made.full_name, made.region).url
        except LoginFailed:
            server = ""
        made.chalice("delete")
        remove_context(os.environ, context_of(made.name, made.stage), server=server)
        made.terraform.run("apply", "-input=false", "-auto-approve", VARIABLES, unprotected)
    made.terraform.run("destroy", "-input=false", "-auto-approve", VARIABLES, unprotected)
    echo("Left: inactive task definitions, which cost nothing; a key of KMS until its waiting period is over; what")
    echo(f"your jobs wrote elsewhere; and {made.folder.path}, which has nothing of value any more.")


def _refuse_where_tasks_run(made: Deployment, cluster: str) -> None:
    """Raise DeploymentRefused where the cluster has tasks, which would keep it, and cost."""
    try:
        ecs: Any = Session().create_client("ecs", region_name=made.region)
        running = len(ecs.list_tasks(cluster=cluster)["taskArns"])  # the first hundred
    except AWS_ERRORS as error:
        raise DeploymentRefused(sentence(error)) from error
    if running:
        on = context_of(made.name, made.stage)
        raise DeploymentRefused(f"{running} tasks run: `sparkanywhere ps --on {on}` lists, `kill` ends them.")


def _ask(yes: bool, question: str) -> None:
    if not yes:
        click.confirm(question, abort=True)


def _changes(plan: Plan) -> str:
    """Return in words what a plan does, by type."""
    parts = (("makes", plan.created), ("changes", plan.updated), ("removes", plan.deleted))
    return "; ".join(f"{verb} {_counted(kinds)}" for verb, kinds in parts if kinds) + "."


def _counted(kinds: Counter[str]) -> str:
    each = ", ".join(f"{kind.removeprefix('aws_')} {count}" for kind, count in sorted(kinds.items()))
    return f"{kinds.total()} ({each})"
