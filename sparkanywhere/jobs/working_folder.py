"""The caller's folder as the working folder of a job's program, where its pods share that folder with this machine.

In cluster mode Spark copies the files that a job names into the driver's working folder, and first deletes what has
their names there (SparkSubmit, SPARK-33782). That must not befall a folder of the user's: files are named by where
they lie, and reach Spark by settings of the driver's JVM, which SparkSubmit does not look at. What cannot be had so
keeps the pod's own working folder: archives, which programs expect unpacked there, and before Spark 4 all jars.
Executors always keep their own, since Spark fetches files into it; paths that the driver has made absolute are
seen there as well.
"""

from __future__ import annotations

import copy
import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from chalicelib.apimachinery.decoding.yaml_loader import load_yaml
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.shared_folders import shared_folders
from chalicelib.providers.extensions import SharedFolders
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.jobs.job_fields import TEMPLATE_FILE, TEMPLATE_PATH
from sparkanywhere.jobs.job_files import REMOTE, is_local, source_of
from sparkanywhere.jobs.objects import Objects
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.staging import Say, nothing

VOLUME = "working-folder"
WORK, WORK_PATH = "work-dir", "/opt/spark/work-dir"  # where executors start, which any user must be able to write to
JAVA_OPTIONS = "spark.driver.extraJavaOptions"
TEMPLATE = "spark.kubernetes.executor.podTemplateFile"
CONF_MAP = "-conf-map"  # the end of the name of the ConfigMap with the job's settings
FIRST_WITHOUT_COPIES = 4  # spark.kubernetes.jars.avoidDownloadSchemes (SPARK-47475)
SETTINGS = {"--files": ("spark.files",), "--py-files": ("spark.submit.pyFiles", "spark.files")}


@dataclass(frozen=True, slots=True)
class WorkingFolder:
    """A folder of this machine, by its path, and how pods share it."""

    path: str
    shared: SharedFolders

    def shows(self, path: str) -> bool:
        """Return whether pods see a file of this machine."""
        return not self.shared.is_mounted or _is_below(Path(path).resolve(), Path(self.path).resolve())

    def placed(self, spec: JobSpec) -> JobSpec:
        """Return the job with the files that its pods see named by where they lie, and the settings of the folder."""
        named = {each: self._in_place(each) for each in spec.named_files}
        # Spark's default for it takes a blank in the folder's name for %20
        conf = {"spark.sql.warehouse.dir": f"file:{self.path}/spark-warehouse"}
        if self.shared.is_mounted:
            volume = f"spark.kubernetes.executor.volumes.hostPath.{VOLUME}"
            conf |= {f"{volume}.mount.path": self.path, f"{volume}.options.path": self.path}
        if _brings_jars(spec):
            conf["spark.kubernetes.jars.avoidDownloadSchemes"] = "file,local"
        seen = [source_of(each) for each in (*spec.py_files, spec.application) if named[each] != each]
        modules = [Path(each).absolute() for each in seen if each.endswith((".py", ".zip", ".egg"))]
        places = dict.fromkeys(str(each.parent if each.suffix == ".py" else each) for each in modules)
        env = dict(spec.env)
        if places:
            env["PYTHONPATH"] = ":".join([*places, *filter(None, [env.get("PYTHONPATH", "")])])
        if not all(each.isascii() for each in (self.path, *spec.named_files)):
            env.setdefault("LANG", "C.UTF-8")
        return replace(
            spec,
            name=spec.app_name,
            application=named[spec.application],
            py_files=tuple(named[each] for each in spec.py_files),
            files=tuple(named[each] for each in spec.files),
            jars=tuple(named[each] for each in spec.jars),
            env=env,
            conf={**conf, **spec.conf},
        )

    def _in_place(self, named: str) -> str:
        if not is_local(named) or not self.shows(source_of(named)):
            return named
        source, mark, alias = named.partition("#")
        return f"file://{quote(str(Path(source).absolute()))}{mark}{alias}"

    def applied(self, made: Objects, spec: JobSpec) -> Objects:
        """Return a placed job's objects with a driver that works in the folder. Pure."""
        changed = replace(made, main=copy.deepcopy(made.main))
        pod_spec = changed.driver["spec"]
        container = next(each for each in pod_spec["containers"] if (each.get("args") or [])[:1] == ["driver"])
        if container.get("workingDir"):  # of the user's template
            return made
        container["workingDir"] = self.path
        _hand_over_lists(container, spec)
        if not self.shared.is_mounted:
            return changed
        pod_spec.setdefault("volumes", []).append({"name": VOLUME, "hostPath": {"path": self.path}})
        container.setdefault("volumeMounts", []).append({"name": VOLUME, "mountPath": self.path})
        pod_spec["securityContext"] = {**self._identity(), **(pod_spec.get("securityContext") or {})}
        return self._with_template(changed, container)

    def _identity(self) -> dict[str, int]:
        user, _, group = self.shared.user.partition(":")
        return {"runAsUser": int(user), "runAsGroup": int(group)}

    def _with_template(self, made: Objects, container: JSON) -> Objects:
        """Return the objects with a template of executors that run as the folder's owner, over the user's own."""
        names = (str(obj["metadata"]["name"]) for _, obj in made.owned)
        name = next(each for each in names if each.endswith(CONF_MAP)).removesuffix(CONF_MAP) + "-podspec"
        own = next((obj for _, obj in made.owned if obj["metadata"]["name"] == name), None)
        pod: Any = load_yaml(own["data"][TEMPLATE_FILE].encode()) if own else {"apiVersion": "v1", "kind": "Pod"}
        pod_spec = pod.setdefault("spec", {})
        pod_spec["securityContext"] = {**self._identity(), **(pod_spec.get("securityContext") or {})}
        containers = pod_spec.setdefault("containers", [])
        if not containers:
            containers.append({"name": "executor"})
        containers[0].setdefault("volumeMounts", []).append({"name": WORK, "mountPath": WORK_PATH})
        pod_spec.setdefault("volumes", []).append({"name": WORK, "emptyDir": {}})
        data = {TEMPLATE_FILE: yaml.safe_dump(pod, allow_unicode=True)}
        if own:
            rest = tuple(each for each in made.owned if each[1] is not own)
            return replace(made, owned=(*rest, ("configmaps", {**own, "data": data})))
        volume = {"name": "pod-template-volume", "configMap": {"name": name}}
        made.driver["spec"]["volumes"].append(volume)
        container["volumeMounts"].append({"name": volume["name"], "mountPath": TEMPLATE_PATH})
        _set(container["args"], TEMPLATE, f"{TEMPLATE_PATH}/{TEMPLATE_FILE}")
        template = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "immutable": True,
            "data": data,
        }
        return replace(made, owned=(*made.owned, ("configmaps", template)))


def _hand_over_lists(container: JSON, spec: JobSpec) -> None:
    """Take the lists of files off SparkSubmit's arguments, and give them to Spark as settings of its JVM."""
    args: list[str] = container["args"]
    lists: dict[str, list[str]] = {"spark.files": [], "spark.submit.pyFiles": []}
    for option, settings in SETTINGS.items():
        if option in args[: args.index("--class")]:
            at = args.index(option)
            for setting in settings:
                lists[setting].append(args[at + 1])
            del args[at : at + 2]
    options = [f"-D{key}={','.join(texts)}" for key, texts in lists.items() if texts]
    if options:
        _set(args, JAVA_OPTIONS, " ".join([spec.driver_java_options, *options]).strip())


def _set(args: list[str], key: str, text: str) -> None:
    """Set a setting of Spark's behind the properties file, which it wins over."""
    at = args.index("--properties-file") + 2
    args[at:at] = ["--conf", f"{key}={text}"]


def callers_folder() -> str:
    """Return the folder that this process is in, without symbolic links. Raises SpecError if it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise SpecError("The current folder has been deleted: change to another one.") from None


def find(client: KubeClient, path: str) -> WorkingFolder | None:
    """Return how pods share a folder of this machine, None where they do not. Raises ApiUnreachable."""
    try:
        nodes = client.get("/api/v1/nodes")["items"]
    except ApiError:  # a user who may not list nodes
        return None
    found = (_shared(path, shared) for shared in filter(None, map(shared_folders, nodes)))
    return next((each for each in found if each), None)


def fitting(folder: WorkingFolder | None, spec: JobSpec, *, say: Say = nothing) -> WorkingFolder | None:
    """Return the folder if the job can work in it, else None; say what its program misses so."""
    if folder and (obstacle := _obstacle(spec, folder.path)):
        say(f"The program does not work in {folder.path}, because {obstacle}: relative paths are those of its pod.")
        folder = None
    for sentence in _unreachable(spec.args, folder):
        say(sentence)
    return folder


def _shared(path: str, shared: SharedFolders) -> WorkingFolder | None:
    is_among = any(_is_below(Path(path), Path(posixpath.normpath(each))) for each in shared.paths)
    return WorkingFolder(path, shared) if is_among and not (shared.is_mounted and path == "/") else None


def _is_below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _obstacle(spec: JobSpec, path: str) -> str:
    """Return what keeps a job from working in a folder, "" if nothing does."""
    if spec.archives:
        return "--archives and, in containers, --requirements are unpacked where it starts"
    if _brings_jars(spec) and int(spec.spark.partition(".")[0]) < FIRST_WITHOUT_COPIES:
        return f"Spark {spec.spark} copies jars to where it starts"
    return "its name has a colon" if ":" in path else ""


def _brings_jars(spec: JobSpec) -> bool:
    return bool(spec.jars or spec.packages or not spec.is_python)


def _unreachable(args: Sequence[str], folder: WorkingFolder | None) -> Iterator[str]:
    """Yield a sentence for each argument that names a file of this machine which the program cannot reach."""
    for text in args:
        if REMOTE.match(text) or text.startswith("-") or not text:
            continue
        is_there = Path(text).exists()
        if folder is not None:
            if is_there and not folder.shows(text):
                yield f"{text} lies outside of {folder.path}, all that the job's containers see of this machine."
        elif is_there:
            yield (
                f"{text} is on this machine, where the job's pods cannot see it:"
                f" bring it by --files {text}, or put it into a bucket (s3a://)."
            )
        elif Path(text).suffix and not Path(text).is_absolute():
            yield f"{text} is a path in the driver's pod, and goes with it: what is to stay belongs into a bucket (s3a://)."
