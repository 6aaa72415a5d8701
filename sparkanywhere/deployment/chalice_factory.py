"""Chalice's factory of configurations and deployers, for the stages that Terraform has made.

`chalice deploy --stage prod` alone puts up what works: it fetches the libraries that Lambda needs, goes to the region
that Terraform went to, and updates the API that any clone has made before. Where that cannot be, it says why in one
sentence. The archive has the bytecode of its modules. `chalice local` is not affected. The private names of Chalice
that are used here are those of 1.34.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError
from botocore.session import Session
from chalice.app import Chalice
from chalice.awsclient import ResourceDoesNotExistError, TypedAWSClient
from chalice.cli.factory import CLIFactory
from chalice.config import Config, DeployedResources
from chalice.deploy import deployer
from chalice.deploy.deployer import ChaliceDeploymentError, Deployer
from chalice.package import AppPackager, PackageOptions

from sparkanywhere.deployment.archive import CompilingPackager
from sparkanywhere.deployment.aws_errors import RAISED, sentence
from sparkanywhere.deployment.libraries import LibrariesMissing, fetch_libraries
from sparkanywhere.deployment.record import DeploymentRecord, Values
from sparkanywhere.deployment.stage_details import details_of
from sparkanywhere.deployment.streaming import StreamingPermission, define_streams

REGION, DEPLOYMENT, CLUSTER_ARN = "SPARKANYWHERE_REGION", "SPARKANYWHERE_DEPLOYMENT", "SPARKANYWHERE_CLUSTER_ARN"
TOKEN_FROM = "SPARKANYWHERE_TOKEN_FROM"
API = {"name": "rest_api", "resource_type": "rest_api"}


class StageConfig(Config):
    """A stage's configuration: names begin with the deployment's, and what is deployed stands in the account."""

    read_deployed: Callable[[], Values] | None = None  # of a stage that Terraform has made

    @property
    def app_name(self) -> str:
        """Return what all names begin with that Chalice gives, before the stage: a deployment is NAME-STAGE."""
        deployment = str(self.environment_variables.get(DEPLOYMENT) or super().app_name)
        return deployment.removesuffix(f"-{self.chalice_stage}")

    @property
    def deployment(self) -> str:
        """Return the name of the deployment, which its API bears as well."""
        return f"{self.app_name}-{self.chalice_stage}"

    @property
    def stage(self) -> dict[str, Any]:
        """Return what .chalice/config.json says of the stage."""
        found: dict[str, Any] = self._config_from_disk.get("stages", {}).get(self.chalice_stage, {})
        return found

    def deployed_resources(self, chalice_stage_name: str) -> DeployedResources:
        """Return what is deployed of the stage. Raises click.ClickException where AWS does not tell."""
        if self.read_deployed is None:
            return super().deployed_resources(chalice_stage_name)
        with errors_as_sentences():
            return DeployedResources(self.read_deployed())


class StageFactory(CLIFactory):
    """Makes what Chalice's commands work with. Raises click.ClickException where a stage cannot be worked with."""

    def create_config_obj(self, chalice_stage_name: str = "dev", *args: Any, **named: Any) -> StageConfig:
        """Return a stage's configuration."""
        made = super().create_config_obj(chalice_stage_name, *args, **named)
        self._config = StageConfig(
            chalice_stage=chalice_stage_name,
            user_provided_params=made._user_provided_params,
            config_from_disk=made._config_from_disk,
            default_params=made._default_params,
        )
        if self._config.environment_variables.get(REGION):
            self._config.read_deployed = lambda: self._record().read() or {"resources": []}
        return self._config

    def create_botocore_session(self, *args: Any, **named: Any) -> Session:
        """Return a session in the region of the stage, whatever the profile or the environment says."""
        config = self._config
        region = config.environment_variables.get(REGION)
        if not (region and config.environment_variables.get(CLUSTER_ARN)):
            raise click.ClickException(
                f"Stage {config.chalice_stage} is not set up: run `terraform init` and `terraform apply` in "
                f"terraform/, and then `python -m sparkanywhere.cli.stage_config --stage {config.chalice_stage}`."
            )
        with errors_as_sentences():
            session = super().create_botocore_session(*args, **named)
            before = session.get_config_variable("region") or os.environ.get("AWS_REGION") or region
        if before != region:
            click.echo(
                f"In {region}, where Terraform has made stage {config.chalice_stage}, not in {before}.", err=True
            )
        session.set_config_variable("region", region)
        return session

    def load_chalice_app(self, *args: Any, **named: Any) -> Chalice:
        """Return the app of app.py. Where it is deployed, its API bears the names of deployment and stage."""
        app = super().load_chalice_app(*args, **named)
        if DEPLOYMENT in self._config.environment_variables:
            app.app_name = self._config.deployment
        return app

    def create_package_options(self) -> PackageOptions:
        """Return what a template needs to know of the region."""
        return PackageOptions(TypedAWSClient(self.create_botocore_session()))

    def create_app_packager(
        self, config: Config, options: PackageOptions, package_format: str, *args: Any
    ) -> AppPackager:
        """Return what makes the archive and its template."""
        if package_format == "terraform":
            raise click.ClickException(
                "Chalice's Terraform format takes a Terraform before 1.4, and terraform/ needs 1.11: "
                "use `chalice deploy`, or the template for CloudFormation."
            )
        self._fetch_libraries()
        made = super().create_app_packager(config, options, package_format, *args)
        processors: Any = made._template_post_processor  # several in one
        processors._processors.insert(0, StreamingPermission(made._osutils))
        return made

    def create_plan_only_deployer(self, session: Session, config: Config, ui: Any) -> Deployer:
        """Return what only says what it would do."""
        self._fetch_libraries()
        return super().create_plan_only_deployer(session, config, ui)

    def create_default_deployer(self, session: Session, config: Config, ui: Any) -> RecordedDeployer:
        """Return what deploys."""
        found = self._adopt(session)
        self._fetch_libraries()
        made = RecordedDeployer(super().create_default_deployer(session, config, ui), self._record(session), found)
        if details := details_of(self._config.stage):
            made.complete = lambda values: details.set(session, self._config, values)
        return made

    def create_deletion_deployer(self, session: Session, ui: Any) -> RecordedDeployer:
        """Return what deletes all that is deployed; what is gone already is no error."""
        found = self._adopt(session)
        made = super().create_deletion_deployer(session, ui)
        made._executor._client = ForgivingClient(session)
        return RecordedDeployer(made, self._record(session), found)

    def _record(self, session: Session | None = None) -> DeploymentRecord:
        config = self._config
        region = config.environment_variables[REGION]
        return DeploymentRecord(session or self.create_botocore_session(), config.deployment, region)

    def _adopt(self, session: Session) -> Values:
        """Return what is deployed, and let the configuration say so; with the API of a deployment that was killed.

        Raises click.ClickException where the account is another one than the stage's.
        """
        config = self._config
        wanted = config.environment_variables[CLUSTER_ARN].split(":")[4]
        with errors_as_sentences():
            sts: Any = session.create_client("sts")  # botocore makes its methods at run time
            account = sts.get_caller_identity()["Account"]
            if account != wanted:
                raise click.ClickException(
                    f"Stage {config.chalice_stage} is in the account {wanted}, and these credentials are for {account}."
                )
            found = self._record(session).read() or {"resources": []}
            known = any(each["name"] == API["name"] for each in found["resources"])
            if not known and (api := TypedAWSClient(session).get_rest_api_id(self._config.deployment)):
                found["resources"].append({**API, "rest_api_id": api})
        config.read_deployed = lambda: found
        return found

    def _fetch_libraries(self) -> None:
        define_streams()
        deployer.LambdaDeploymentPackager = CompilingPackager  # type: ignore[attr-defined]  # found by name
        try:
            os.environ.update(fetch_libraries(Path(self.project_dir)))
        except LibrariesMissing as error:
            raise click.ClickException(str(error)) from error


class RecordedDeployer(Deployer):
    """A deployer that keeps what it has done in the account, also where it is interrupted."""

    complete: Callable[[Values], None] | None = None  # what is to be done with it then

    def __init__(self, made: Deployer, record: DeploymentRecord, before: Values) -> None:
        vars(self).update(vars(made))  # Chalice's functions make deployers of many parts
        self._record = record
        self._before = {each["name"]: each for each in before["resources"]}

    def deploy(self, config: Config, chalice_stage_name: str) -> Values:
        """Deploy or delete; return what is deployed then. May be repeated. Raises click.ClickException."""
        with errors_as_sentences():
            try:
                values: Values = super().deploy(config, chalice_stage_name=chalice_stage_name)
            except BaseException:
                made = {each["name"]: each for each in self._executor.resource_values}
                names = [*self._before, *(name for name in made if name not in self._before)]
                kept = [{**self._before.get(name, {}), **made.get(name, {})} for name in names]
                self._record.write({"schema_version": "2.0", "backend": "api", "resources": kept})
                raise
            self._record.write({**values, "token_from": config.environment_variables.get(TOKEN_FROM, "")})
            if self.complete is not None:
                self.complete(values)
        return values


class ForgivingClient(TypedAWSClient):
    """Deletes what may be gone already."""

    def delete_function(self, function_name: str) -> None:
        """Delete a function."""
        with suppress(ResourceDoesNotExistError):
            super().delete_function(function_name)

    def delete_rest_api(self, rest_api_id: str) -> None:
        """Delete an API."""
        with suppress(ResourceDoesNotExistError):
            super().delete_rest_api(rest_api_id)

    def delete_rule(self, rule_name: str) -> None:
        """Delete a rule and its target."""
        try:
            super().delete_rule(rule_name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Raise click.ClickException, with one sentence, for what AWS or this machine's configuration of it refuses."""
    try:
        yield
    except ChaliceDeploymentError as error:
        raise click.ClickException(" ".join(str(error).removeprefix("ERROR - ").split())) from error
    except RAISED as error:
        raise click.ClickException(sentence(error)) from error
