"""A pod's volumes and mounts, as a provider's volumes and mounts.

Compare kubernetes/pkg/volume/{configmap,secret,projected,downwardapi} (v1.36). A volume that no
container mounts is not looked at, as a kubelet does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import MOUNT, SCHEDULE, IssueToken, Missing, PodRejected, TokenRequest
from chalicelib.controllers.podmodel.resources import all_containers, claimed_storage, resource_field
from chalicelib.controllers.runtime.objects import ROOT_CA_CONFIGMAP
from chalicelib.controllers.translation.env import PodView, expand, pod_field
from chalicelib.providers.base import File, Mount, Volume

DEFAULT_MODE = 0o644
TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_VOLUME = "kube-api-access"

_NO_KEY = {
    "configmaps": "configmap references non-existent config key",
    "secrets": "references non-existent secret key",
}


def volumes(view: PodView, *, issue_token: IssueToken | None) -> tuple[Volume, ...]:
    """Return the volumes that containers mount; what they wait for is noted in view.references.

    Raises PodRejected for an unsupported kind of volume.
    """
    mounted = {mount.get("name") for container in all_containers(view.spec) for mount in mounts_of(container)}
    translation = _Volumes(view, issue_token)
    wanted = [volume for volume in view.spec.get("volumes") or () if volume.get("name") in mounted]
    return tuple(found for volume in wanted if (found := translation.translate(volume)) is not None)


def token_volume(view: PodView, issue_token: IssueToken) -> Volume | None:
    """Return what the ServiceAccount admission plugin would mount at TOKEN_DIRECTORY."""
    sources: list[JSON] = [
        {"serviceAccountToken": {"path": "token"}},
        {"configMap": {"name": ROOT_CA_CONFIGMAP, "optional": True}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volume = {"name": TOKEN_VOLUME, "projected": {"sources": sources}}
    return _Volumes(view, issue_token).translate(volume)


def mounts(spec: JSON, container: JSON, env: Mapping[str, str]) -> tuple[Mount, ...]:
    """Return a container's mounts, subPathExpr expanded. Raises PodRejected for a way out of the volume."""
    claims = {each["name"]: each.get("persistentVolumeClaim") or {} for each in spec.get("volumes") or ()}
    found = []
    for mount in mounts_of(container):
        sub_path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", env)
        if sub_path.startswith("/") or ".." in sub_path.split("/"):
            raise PodRejected("CreateContainerConfigError", f"subPath {sub_path!r} leads out of its volume")
        read_only = bool(mount.get("readOnly") or claims.get(mount["name"], {}).get("readOnly"))
        found.append(Mount(mount["name"], mount["mountPath"], read_only=read_only, sub_path=sub_path))
    return tuple(found)


def mounts_of(container: JSON) -> list[JSON]:
    """Return the volumeMounts of a container."""
    found: list[JSON] = container.get("volumeMounts") or []
    return found


class _Volumes:
    """Translates the volumes of one pod."""

    def __init__(self, view: PodView, issue_token: IssueToken | None) -> None:
        self._view = view
        self._issue_token = issue_token

    def translate(self, volume: JSON) -> Volume | None:
        """Return the volume, or None if something of it is missing (and noted)."""
        name = volume["name"]
        kind = next((key for key, value in volume.items() if key != "name" and value is not None), "emptyDir")
        source = volume.get(kind) or {}
        match kind:
            case "configMap":
                return self._of_files(name, self._entries(name, "configmaps", source))
            case "secret":
                return self._of_files(name, self._entries(name, "secrets", source))
            case "downwardAPI":
                return self._of_files(name, self._downward(name, source))
            case "projected":
                return self._of_files(name, self._projected(name, source))
            case "emptyDir":
                is_memory = source.get("medium") == "Memory"
                return Volume(name, "memory" if is_memory else "scratch", size_mib=_mib(source.get("sizeLimit")))
            case "ephemeral":  # a claim that lives as long as its pod is scratch space with a size
                template = source.get("volumeClaimTemplate") or {}
                return Volume(name, "scratch", size_mib=_mib(claimed_storage(template)))
            case "hostPath":
                return Volume(name, "host", source=source.get("path", ""))
            case "persistentVolumeClaim":
                claim_name = source.get("claimName", "")
                claim = self._view.references.find("persistentvolumeclaims", claim_name)
                if claim is None:
                    why = f'persistentvolumeclaim "{claim_name}" not found'
                    missing = Missing(SCHEDULE, why, "persistentvolumeclaims", claim_name)
                    self._view.references.missing.append(missing)
                    return None
                return Volume(name, "named", source=claim["metadata"]["uid"], size_mib=_mib(claimed_storage(claim)))
        field = f"spec.volumes[{name}].{kind}"
        raise PodRejected("UnsupportedVolume", f"{field}: this kind of volume is not supported")

    def _of_files(self, name: str, files: Iterator[File]) -> Volume | None:
        before = len(self._view.references.missing)
        last_of_path = {file.path: file for file in files}  # of projected sources the last one wins
        if len(self._view.references.missing) > before:
            return None
        return Volume(name, "files", files=tuple(last_of_path.values()))

    def _entries(self, volume: str, resource: str, source: JSON, mode: int | None = None) -> Iterator[File]:
        """Yield the files of a ConfigMap or Secret, all or those of `items`."""
        name = source.get("secretName") or source.get("name", "")
        default_mode = mode if mode is not None else source.get("defaultMode", DEFAULT_MODE)
        data = self._view.references.data(resource, name)
        if data is None:
            if not source.get("optional"):
                word = "secret" if resource == "secrets" else "configmap"
                self._note(volume, f'{word} "{name}" not found', resource, name)
            return
        if not source.get("items"):
            yield from (File(key, value, default_mode) for key, value in data.items())
            return
        for item in source["items"]:
            key = item.get("key", "")
            if key in data:
                yield File(item.get("path", ""), data[key], _mode(item, default_mode))
            elif not source.get("optional"):
                self._note(volume, f"{_NO_KEY[resource]}: {key}", resource, name)

    def _downward(self, volume: str, source: JSON, mode: int | None = None) -> Iterator[File]:
        default_mode = mode if mode is not None else source.get("defaultMode", DEFAULT_MODE)
        view = self._view
        for item in source.get("items") or ():
            try:
                if item.get("fieldRef"):
                    path = item["fieldRef"].get("fieldPath", "")
                    text = pod_field(view.pod, path, node_name=view.node_name)
                else:
                    reference = item.get("resourceFieldRef") or {}
                    text = resource_field(view.spec, reference, container_name="", node=view.node)
            except LookupError as error:
                self._note(volume, str(error), "pods", "")
                continue
            yield File(item.get("path", ""), text.encode(), _mode(item, default_mode))

    def _projected(self, volume: str, projected: JSON) -> Iterator[File]:
        mode = projected.get("defaultMode", DEFAULT_MODE)
        for source in projected.get("sources") or ():
            for kind, part in source.items():
                if kind == "configMap":
                    yield from self._entries(volume, "configmaps", part, mode)
                elif kind == "secret":
                    yield from self._entries(volume, "secrets", part, mode)
                elif kind == "downwardAPI":
                    yield from self._downward(volume, part, mode)
                elif kind == "serviceAccountToken":
                    yield from self._token(volume, part, mode)
                elif part is not None:
                    field = f"spec.volumes[{volume}].projected.sources.{kind}"
                    raise PodRejected("UnsupportedVolume", f"{field}: this source is not supported")

    def _token(self, volume: str, source: JSON, mode: int) -> Iterator[File]:
        if self._issue_token is None:
            raise PodRejected("UnsupportedVolume", f"spec.volumes[{volume}]: this server issues no tokens")
        metadata, account = self._view.pod["metadata"], self._view.spec.get("serviceAccountName") or "default"
        request = TokenRequest(
            namespace=metadata.get("namespace", ""),
            service_account=account,
            pod_name=metadata.get("name", ""),
            pod_uid=metadata.get("uid", ""),
            audience=source.get("audience") or "",
            expiration_seconds=source.get("expirationSeconds"),
        )
        try:
            token = self._issue_token(request, self._view.references.lookup)
            yield File(source.get("path", "token"), token.encode(), mode)
        except LookupError:
            why = f'failed to fetch token: serviceaccounts "{account}" not found'
            self._note(volume, why, "serviceaccounts", account)

    def _note(self, volume: str, why: str, resource: str, name: str) -> None:
        message = f'MountVolume.SetUp failed for volume "{volume}" : {why}'
        self._view.references.missing.append(Missing(MOUNT, message, resource, name))


def _mode(item: JSON, default: int) -> int:
    mode = item.get("mode")
    return default if mode is None else int(mode)


def _mib(text: str | None) -> int | None:
    return None if text is None else parse_quantity(text).mebibytes
