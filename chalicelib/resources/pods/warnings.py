"""What a real server warns about in a pod, as far as users mistype it.

Compare kubernetes/pkg/api/pod/warnings.go, v1.36. What this project can't honour is warned about elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.types import JSON


def spec_warnings(spec: JSON, path: str) -> Iterator[str]:
    """Yield the warnings for a pod spec that stands at `path`."""
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind, ())):
            yield from _container_warnings(container, f"{path}.{kind}[{index}]")


def _container_warnings(container: JSON, at: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    for kind in ("limits", "requests"):
        for name in ("memory", "ephemeral-storage"):
            amount = (resources.get(kind) or {}).get(name)
            if isinstance(amount, str) and amount.endswith("m"):
                why = f'fractional byte value "{amount}" is invalid, must be an integer'
                yield f"{at}.resources.{kind}[{name}]: {why}"
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env", ())):
        name = variable.get("name", "")
        if name in seen:
            why = f'hides previous definition of "{name}", which may be dropped when using apply'
            yield f"{at}.env[{index}]: {why}"
        seen.add(name)
