"""Pod Security: what of a pod breaks the levels baseline and restricted, as namespaces ask for by labels.

The standards as of v1.36, whatever version a label names: kubernetes.io/docs/concepts/security/pod-security-standards;
wordings and order: k8s.io/pod-security-admission, policy/check_*.go. Fields of Windows alone are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from chalicelib.apimachinery.accessors import labels_of, spec_of
from chalicelib.apimachinery.rules.status import forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.cluster.namespaces import POD_SECURITY
from chalicelib.storage.base import KeyNotFound, Reader
from chalicelib.storage.keys import object_key

Check = Callable[[JSON], tuple[str, str] | None]  # from a pod's spec to the reason and detail of what is forbidden

CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
VOLUMES = frozenset(
    {
        *("name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim"),
        *("projected", "secret"),
    }
)
SELINUX_TYPES = (None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
SYSCTLS = frozenset(
    {
        *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
        *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
        *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
        *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    }
)
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
PROFILES = ("RuntimeDefault", "Localhost")


def hold_to_level(resource: str, obj: JSON, reader: Reader) -> list[str]:
    """Return Warnings for a new pod, or a workload's template, that breaks the level that its namespace warns of.

    Raises 403 for a pod that breaks the one that is enforced.
    """
    spec = obj["spec"] if resource == "pods" else _template_spec(obj)
    namespace = obj["metadata"].get("namespace")
    if not spec or not namespace:
        return []
    try:
        stored = reader.get(object_key("namespaces", None, namespace))
    except KeyNotFound:
        return []
    if POD_SECURITY not in stored.json:  # by far the usual case
        return []
    labels = labels_of(stored.object())
    for mode in ("enforce", "warn"):
        level = labels.get(POD_SECURITY + mode)
        found = violations(spec, level) if level and (mode == "warn" or resource == "pods") else []
        if not found:
            continue
        version = labels.get(f"{POD_SECURITY}{mode}-version", "latest")
        said = f'violate{"s" if mode == "enforce" else ""} PodSecurity "{level}:{version}": {", ".join(found)}'
        if mode == "enforce":
            raise forbidden("pods", obj["metadata"].get("name", ""), said)
        return [f"would {said}"]
    return []


def _template_spec(obj: JSON) -> JSON:
    """Return the spec of the pods that a workload makes, {} for what makes none."""
    spec = spec_of(obj)
    spec = spec_of(spec.get("jobTemplate") or {}) or spec
    template = spec.get("template") or obj.get("template")
    return spec_of(template) if isinstance(template, dict) else {}


def violations(spec: JSON, level: str) -> list[str]:
    """Return what of a pod's spec a level forbids, as `reason (detail)`; of an unknown level, what restricted does."""
    checks = {"privileged": [], "baseline": BASELINE}.get(level, RESTRICTED)
    return [f"{found[0]} ({found[1]})" for check in checks if (found := check(spec))]


def _containers(spec: JSON) -> Iterator[tuple[str, JSON, JSON]]:
    """Yield name, container and its security context of all containers."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for each in spec.get(kind) or ():
            yield str(each.get("name", "")), each, each.get("securityContext") or {}


def _quoted(words: Iterable[object]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _named(what: str, names: list[str]) -> str:
    """Return `container "a"`, `containers "a", "b"`."""
    return f"{what}{'s' if len(names) > 1 else ''} {_quoted(names)}"


def _setters(spec: JSON, is_bad: Callable[[JSON], bool]) -> str:
    """Return which security contexts are bad: the pod's, and those of containers; "" for none."""
    names = [name for name, _, context in _containers(spec) if is_bad(context)]
    pod = ["pod"] if is_bad(spec.get("securityContext") or {}) else []
    return " and ".join(pod + ([_named("container", names)] if names else []))


def _host_namespaces(spec: JSON) -> tuple[str, str] | None:
    held = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return ("host namespaces", ", ".join(held)) if held else None


def _host_paths(spec: JSON) -> tuple[str, str] | None:
    names = [each.get("name", "") for each in spec.get("volumes") or () if each.get("hostPath") is not None]
    return ("hostPath volumes", _named("volume", names)) if names else None


def _host_ports(spec: JSON) -> tuple[str, str] | None:
    found = {
        name: [port["hostPort"] for port in each.get("ports") or () if port.get("hostPort")]
        for name, each, _ in _containers(spec)
    }
    names, ports = [name for name in found if found[name]], sorted({port for each in found.values() for port in each})
    if not names:
        return None
    uses = "uses" if len(names) == 1 else "use"
    what = "hostPort" if len(ports) == 1 else "hostPorts"
    return "hostPort", f"{_named('container', names)} {uses} {what} {', '.join(map(str, ports))}"


def _probe_hosts(spec: JSON) -> tuple[str, str] | None:
    names: set[str] = set()
    hosts: set[str] = set()
    for name, each, _ in _containers(spec):
        hooks = each.get("lifecycle") or {}
        asked = [
            *(each.get(probe) or {} for probe in PROBES),
            *(hooks.get(at) or {} for at in ("postStart", "preStop")),
        ]
        for handler in asked:
            found = {str((handler.get(how) or {}).get("host") or "") for how in ("httpGet", "tcpSocket")} - {""}
            names |= {name} if found else set()
            hosts |= found
    if not names:
        return None
    uses = "uses" if len(names) == 1 else "use"
    what = f"probe or lifecycle host{'s' if len(hosts) > 1 else ''}"
    return "probe or lifecycle host", f"{_named('container', sorted(names))} {uses} {what} {_quoted(sorted(hosts))}"


def _privileged(spec: JSON) -> tuple[str, str] | None:
    names = [name for name, _, context in _containers(spec) if context.get("privileged")]
    return (
        ("privileged", f"{_named('container', names)} must not set securityContext.privileged=true") if names else None
    )


def _default_capabilities(spec: JSON) -> tuple[str, str] | None:
    found = _added(spec, CAPABILITIES)
    return ("non-default capabilities", found) if found else None


def _added(spec: JSON, allowed: frozenset[str]) -> str:
    """Return which containers add capabilities beyond those allowed."""
    names, more = [], set()
    for name, _, context in _containers(spec):
        if foreign := set((context.get("capabilities") or {}).get("add") or ()) - allowed:
            names.append(name)
            more |= foreign
    must = f"must not include {_quoted(sorted(more))} in securityContext.capabilities.add"
    return f"{_named('container', names)} {must}" if names else ""


def _restricted_capabilities(spec: JSON) -> tuple[str, str] | None:
    keeping = [
        name
        for name, _, context in _containers(spec)
        if "ALL" not in ((context.get("capabilities") or {}).get("drop") or ())
    ]
    details = [f'{_named("container", keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    if added := _added(spec, frozenset({"NET_BIND_SERVICE"})):
        details.append(added)
    return ("unrestricted capabilities", "; ".join(details)) if details else None


def _proc_mount(spec: JSON) -> tuple[str, str] | None:
    names = [name for name, _, context in _containers(spec) if context.get("procMount") not in (None, "", "Default")]
    must = 'must not set securityContext.procMount to "Unmasked"'
    return ("procMount", f"{_named('container', names)} {must}") if names else None


def _app_armor(spec: JSON) -> tuple[str, str] | None:
    bad = _setters(spec, lambda context: (context.get("appArmorProfile") or {}).get("type") == "Unconfined")
    return ("forbidden AppArmor profile", f'{bad} must not set AppArmor profile type to "Unconfined"') if bad else None


def _se_linux(spec: JSON) -> tuple[str, str] | None:
    def is_bad(context: JSON) -> bool:
        options = context.get("seLinuxOptions") or {}
        return options.get("type") not in SELINUX_TYPES or bool(options.get("user") or options.get("role"))

    bad = _setters(spec, is_bad)
    return ("seLinuxOptions", f"{bad} set forbidden securityContext.seLinuxOptions") if bad else None


def _confined(spec: JSON) -> tuple[str, str] | None:
    bad = _setters(spec, lambda context: (context.get("seccompProfile") or {}).get("type") == "Unconfined")
    must = 'must not set securityContext.seccompProfile.type to "Unconfined"'
    return ("seccompProfile", f"{bad} {must}") if bad else None


def _sysctls(spec: JSON) -> tuple[str, str] | None:
    asked = [each.get("name") for each in (spec.get("securityContext") or {}).get("sysctls") or ()]
    forbidden = [name for name in asked if name not in SYSCTLS]
    return ("forbidden sysctls", ", ".join(map(str, forbidden))) if forbidden else None


def _escalation(spec: JSON) -> tuple[str, str] | None:
    names = [name for name, _, context in _containers(spec) if context.get("allowPrivilegeEscalation") is not False]
    must = "must set securityContext.allowPrivilegeEscalation=false"
    return ("allowPrivilegeEscalation != false", f"{_named('container', names)} {must}") if names else None


def _restricted_volumes(spec: JSON) -> tuple[str, str] | None:
    names, kinds = [], set()
    for volume in spec.get("volumes") or ():
        if foreign := {key for key, value in volume.items() if value is not None} - VOLUMES:
            names.append(volume.get("name", ""))
            kinds |= foreign
    uses = "uses" if len(names) == 1 else "use"
    said = f"{_named('volume', names)} {uses} {_named('restricted volume type', sorted(kinds))}"
    return ("restricted volume types", said) if names else None


def _non_root(spec: JSON) -> tuple[str, str] | None:
    if bad := _setters(spec, lambda context: context.get("runAsNonRoot") is False):
        return "runAsNonRoot != true", f"{bad} must not set securityContext.runAsNonRoot=false"
    names = _unset(spec, lambda context: context.get("runAsNonRoot") is not None)
    must = "must set securityContext.runAsNonRoot=true"
    return ("runAsNonRoot != true", f"pod or {_named('container', names)} {must}") if names else None


def _unset(spec: JSON, is_set: Callable[[JSON], bool]) -> list[str]:
    """Return the containers for which neither they nor the pod set something."""
    if is_set(spec.get("securityContext") or {}):
        return []
    return [name for name, _, context in _containers(spec) if not is_set(context)]


def _root_user(spec: JSON) -> tuple[str, str] | None:
    bad = _setters(spec, lambda context: context.get("runAsUser") == 0)
    return ("runAsUser=0", f"{bad} must not set runAsUser=0") if bad else None


def _seccomp(spec: JSON) -> tuple[str, str] | None:
    if found := _confined(spec):
        return found
    names = _unset(spec, lambda context: (context.get("seccompProfile") or {}).get("type") in PROFILES)
    must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return ("seccompProfile", f"pod or {_named('container', names)} {must}") if names else None


# In the order of upstream's names; restricted asks for more than some checks of baseline, and leaves those out.
BASELINE: list[Check] = [
    _app_armor,
    _default_capabilities,
    _host_namespaces,
    _host_paths,
    _host_ports,
    _probe_hosts,
    _privileged,
    _proc_mount,
    _se_linux,
    _confined,
    _sysctls,
]
RESTRICTED: list[Check] = [
    *(check for check in BASELINE if check not in (_default_capabilities, _host_paths, _confined)),
    _escalation,
    _restricted_capabilities,
    _restricted_volumes,
    _non_root,
    _root_user,
    _seccomp,
]
