"""What Chalice has deployed of a stage, kept in the account itself: a parameter of Parameter Store.

Chalice keeps it in .chalice/deployed/STAGE.json, which another clone does not have: it would make a second API.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

Values = dict[str, Any]  # Chalice's deployed values: "resources" is a list, each with its name and type


class DeploymentRecord:
    """The record of one deployment (NAME-STAGE). Each method reaches out, and may be repeated.

    All raise botocore's ClientError where AWS refuses.
    """

    def __init__(self, session: Session, deployment: str, region: str | None) -> None:
        self._ssm: Any = session.create_client("ssm", region_name=region)  # its methods are made at run time
        self.name = f"/{deployment}/deployed"

    def read(self) -> Values | None:
        """Return what was written last, None if nothing was."""
        try:
            found = self._ssm.get_parameter(Name=self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise
        values: Values = json.loads(found["Parameter"]["Value"])
        return values

    def write(self, values: Values) -> None:
        """Replace the record; where no resource is left, remove it."""
        if values["resources"]:
            # 4 KB hold some twenty functions; beyond, AWS moves it to the tier that costs $0.05 a month
            text = json.dumps(values, separators=(",", ":"))
            self._ssm.put_parameter(
                Name=self.name, Value=text, Type="String", Overwrite=True, Tier="Intelligent-Tiering"
            )
        elif self.read() is not None:
            self._ssm.delete_parameter(Name=self.name)
