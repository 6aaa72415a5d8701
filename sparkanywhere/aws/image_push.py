"""Push an image to a registry, for Fargate with a SOCI index, by which it starts before all of the image is there.

`soci convert --standalone` of soci-snapshotter (0.16) makes the index, version 2, of what skopeo takes out of the
Docker engine; skopeo pushes both. Where either tool is missing, the engine pushes the image without an index. ECR's
login is asked for by boto3; that of any other registry is Docker's (`docker login`).
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkanywhere.aws.clients import Clients
from sparkanywhere.aws.task_checks import ECR
from sparkanywhere.client.printable import brief
from sparkanywhere.spark.base_image import ImageFailed
from sparkanywhere.spark.progress import Progress, Step

LOOPBACK = re.compile(r"(127\.|localhost[:/])")
TOOLS = ("skopeo", "soci")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed: its name, and what kept it from having an index, if anything did."""

    name: str
    no_index: str = ""


def push(client: Any, name: str, repository: str, progress: Progress) -> Pushed:  # Any: a docker.APIClient
    """Push the engine's image `name` to REGISTRY/NAME[:TAG]; its own tag by default. Repeatable. Raises ImageFailed."""
    tagged = ":" in repository.rpartition("/")[2]
    target = repository if tagged else f"{repository}:{name.rpartition(':')[2]}"
    login = _ecr_login(target)
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not missing:
        _push_with_index(name, target, login, progress)
        return Pushed(target)
    _push_by_engine(client, name, target, login, progress)
    return Pushed(target, no_index=f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed")


def _ecr_login(target: str) -> tuple[str, str] | None:
    """Return user and password for a repository of ECR, None for another one."""
    found = ECR.fullmatch(target)
    if found is None:
        return None
    from sparkanywhere.deployment.aws_errors import AWS_ERRORS, sentence  # by an extra, which Clients asks for

    try:
        answer = Clients(found["region"])("ecr").get_authorization_token(registryIds=[found["account"]])
        login = answer["authorizationData"][0]["authorizationToken"]
    except AWS_ERRORS as error:
        raise ImageFailed(f"ECR gave no login for {target}: {sentence(error)}") from error
    user, _, password = base64.b64decode(login).decode().partition(":")
    return user, password


def _push_by_engine(client: Any, name: str, target: str, login: tuple[str, str] | None, progress: Progress) -> None:
    from docker.errors import APIError  # whoever has a client has the SDK; it is an extra

    repository, _, tag = target.rpartition(":")
    progress(Step(f"Pushing {target}"))
    auth = {"username": login[0], "password": login[1]} if login else None
    try:
        client.tag(name, repository, tag)
        for line in client.push(repository, tag, stream=True, decode=True, auth_config=auth):
            if "error" in line:
                raise ImageFailed(f"{target} was not pushed: {line['error']}")
    except APIError as error:
        raise ImageFailed(f"{target} was not pushed: {error.explanation or error}") from error


def _push_with_index(name: str, target: str, login: tuple[str, str] | None, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix="sparkanywhere-") as folder:
        plain, indexed = f"{folder}/image.tar", f"{folder}/indexed.tar"
        progress(Step(f"Taking {name} out of the engine"))
        _run("skopeo", "copy", f"docker-daemon:{name}", f"oci-archive:{plain}")
        progress(Step("Making its SOCI index"))
        _run("soci", "convert", "--standalone", plain, indexed)
        progress(Step(f"Pushing {target}"))
        known = ["--dest-tls-verify=false"] if LOOPBACK.match(target) else []  # as the engine itself does
        if login:  # in a file: others see the words of a command
            auth = base64.b64encode(":".join(login).encode()).decode()
            file = Path(folder, "auth.json")
            file.write_text(json.dumps({"auths": {target.partition("/")[0]: {"auth": auth}}}), encoding="utf-8")
            known += [f"--authfile={file}"]
        _run("skopeo", "copy", "--all", *known, f"oci-archive:{indexed}", f"docker://{target}")


def _run(*command: str) -> None:
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ran.returncode:
        said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing").splitlines()[-1]
        raise ImageFailed(f"{' '.join(command[:2])} failed: {brief(said)}")
